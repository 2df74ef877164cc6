import Kernels

extension Restorer {
  /// Restores a picture: colour, gray and dual-pixel models take what they can use of it; bit
  /// depth, colour profile and notes are carried over.
  ///
  /// A colour model sees a gray picture as three equal channels and its result is averaged back; a
  /// gray model restores each channel of a colour picture on its own. A transparent picture is seen
  /// on white, and its opacity is restored as ink on white paper. Where the weights say so, a page
  /// in poor light is brightened for the network, and a picture that was sharp already is left as
  /// it was.
  ///
  /// - Parameters:
  ///   - image: the picture; the left view for a dual-pixel model.
  ///   - right: the right view, needed by a dual-pixel model and by no other.
  ///   - progress: called with the fraction done, 0 to 1; what it throws ends the work.
  /// - Throws: `RestoreError` when model and picture do not fit, the model's result is no picture,
  ///   or the machine's memory does not suffice; the backend's error.
  public func restore(
    _ image: Image, right: Image? = nil, progress: (Double) throws -> Void = { _ in }
  ) throws -> Restored<Image> {
    try restorePicture(image, right, progress)
  }

  /// Restores a picture as it is stored, in little more memory than it and its result take.
  /// - Throws: as for an `Image`.
  public func restore(
    _ bitmap: Bitmap, right: Bitmap? = nil, progress: (Double) throws -> Void = { _ in }
  ) throws -> Restored<Bitmap> {
    try restorePicture(bitmap, right, progress)
  }

  private func restorePicture<P: Picture & Sendable>(
    _ picture: P, _ right: P?, _ progress: (Double) throws -> Void
  ) throws -> Restored<P> {
    let passes = try passes(picture, right)
    try checkHostMemory(width: picture.width, height: picture.height, isRead: true)
    let isPair = model.configuration.inputChannels == 6
    var restoration = Restoration(
      of: picture, channels: isPair ? model.configuration.outputChannels : picture.channels)
    let restoresOpacity = !isPair && picture.hasSoftAlpha
    let count = Double(passes.count + (restoresOpacity ? 1 : 0))
    var done = 0.0
    if restoresOpacity {
      try run(
        opacityPass(picture), progress: { try progress($0 / count) },
        { _, y, row in restoration.setOpacity(y, row) })
      restoration.finishOpacity(leastGain: leastGain)
      done += 1
    }
    for pass in passes {
      try run(
        pass, progress: { try progress((done + $0) / count) },
        { plane, y, row in restoration.setColor(plane, y, row) })
      done += 1
    }
    var result = restoration.result
    let page =
      holdsToPages
      ? PageDecision.decide(&result, picture, illumination: passes[0].views[0].illumination) : nil
    let isSharp = !isPair && (leastGain.map { !restoration.crispness.grows(by: $0) } ?? false)
    let isLeftAlone = page?.isLeftAlone ?? isSharp
    return Restored(
      picture: isLeftAlone ? picture : result,
      decision: RestoreDecision(
        isLeftAlone: isLeftAlone, page: page, exposure: passes[0].exposure,
        layout: try layout(width: picture.width, height: picture.height)))
  }

  /// How many times as crisp a picture has to become to be changed.
  private var leastGain: Double? { options.evenSharp ? nil : treatment.leastCrispnessGain }

  private func passes<P: Picture>(_ picture: P, _ right: P?) throws -> [Pass<P>] {
    let (wanted, given) = (model.configuration.inputChannels, model.configuration.outputChannels)
    guard given == 1 || given == 3, wanted == given || wanted == 6 else {
      throw RestoreError(
        "the model takes \(wanted) channels and gives \(given), which are no pictures")
    }
    if wanted == 6 { return [try dualPixelPass(picture, right, given)] }
    guard right == nil else {
      throw RestoreError(
        "a right view is for dual-pixel models, this model takes \(wanted) channels")
    }
    let illumination =
      treatment.correctsExposure ? Illumination(of: picture, 0..<picture.channels) : nil
    let exposure = illumination == nil ? exposure(of: picture, 0..<picture.channels) : 1
    let isTurned = treatment.turnsPages && picture.liesOnItsSide
    let planes = Array(0..<picture.channels)
    func pass(_ shown: [Int], _ planes: [(plane: Int, channels: Range<Int>)]) -> Pass<P> {
      Pass(
        views: [
          NetworkView(picture, planes: shown, exposure: exposure, illumination: illumination)
        ], planes: planes,
        exposure: exposure, isTurned: isTurned)
    }
    if wanted == picture.channels { return [pass(planes, planes.map { ($0, $0..<$0 + 1) })] }
    if wanted == 1 { return planes.map { pass([$0], [($0, 0..<1)]) } }
    return [pass([0, 0, 0], [(0, 0..<3)])]
  }

  private func opacityPass<P: Picture>(_ picture: P) -> Pass<P> {
    let plane = picture.alphaPlane
    let exposure = exposure(of: picture, plane..<plane + 1)
    let channels = model.configuration.inputChannels
    let shown = [Int](repeating: plane, count: channels)
    return Pass(
      views: [NetworkView(picture, planes: shown, exposure: exposure)],
      planes: [(plane, 0..<channels)], exposure: exposure)
  }

  private func dualPixelPass<P: Picture>(_ left: P, _ right: P?, _ given: Int) throws -> Pass<P> {
    guard let right else {
      throw RestoreError("a dual-pixel model needs the right view too (--right)")
    }
    guard left.width == right.width, left.height == right.height else {
      throw RestoreError(
        "the views differ: left \(left.width)x\(left.height), right \(right.width)x\(right.height)")
    }
    let views = [left, right].map { view in
      NetworkView(view, planes: view.channels == 3 ? [0, 1, 2] : [0, 0, 0])
    }
    return Pass(views: views, planes: (0..<given).map { ($0, $0..<$0 + 1) }, exposure: 1)
  }

  /// Whether what is no blurred print is left as it is.
  private var holdsToPages: Bool { treatment.areForPages && !options.evenSharp }

  private func exposure(of picture: some Picture, _ planes: Range<Int>) -> Float {
    treatment.correctsExposure ? picture.exposure(planes) : 1
  }

  /// Gives the rows of each plane of the pass, as seen on white.
  private func run<P: Picture>(
    _ pass: Pass<P>, progress: (Double) throws -> Void,
    _ take: (_ plane: Int, _ y: Int, _ row: [Float]) -> Void
  ) throws {
    let (width, height) = (pass.views[0].picture.width, pass.views[0].picture.height)
    try restoreRows(
      width: width, height: height, isTurned: pass.isTurned, window: pass.window,
      progress: progress
    ) { y, row in
      for (plane, channels) in pass.planes {
        let paper = pass.views[0].illumination?.row(plane, y, 0..<width)
        let scale = pass.exposure / Float(channels.count)
        take(
          plane, y,
          (0..<width).map { x in
            channels.reduce(0) { $0 + row[$1 * width + x] } * scale * (paper?[x] ?? 1)
          })
      }
    }
  }
}

/// One run of the network over a picture.
private struct Pass<P: Picture> {
  /// What the network is shown, one view after the other.
  let views: [NetworkView<P>]
  /// For each plane of the result: the network's channels whose mean it is.
  let planes: [(plane: Int, channels: Range<Int>)]
  let exposure: Float
  /// Whether the network is shown it turned by a quarter.
  var isTurned = false

  /// All views' planes, one after the other.
  func window(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> PlanarImage {
    let parts = views.map { $0.window(x, y, width, height) }
    guard parts.count > 1 else { return parts[0] }
    return PlanarImage(
      width: width, height: height, channels: parts.reduce(0) { $0 + $1.channels },
      pixels: parts.flatMap(\.pixels))
  }
}
