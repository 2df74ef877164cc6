import Kernels

/// The numbers that a run goes on with: parameters, their average and the moments, also those that
/// other ranks keep.
extension TrainingEngine {
  /// The current parameters, or a stretch of them.
  package func values(_ range: Range<Int>? = nil) throws -> [Float] {
    try read(regions.parameters.block, range)
  }

  /// The moving average of the parameters, if one is kept.
  package func averagedValues(_ range: Range<Int>? = nil) throws -> [Float]? {
    try regions.average.map { try read($0, range) }
  }

  /// The optimizer's first moment, or its momentum.
  package func firstMoment(_ range: Range<Int>? = nil) throws -> [Float] {
    if let collected { return Array(collected.first[range ?? 0..<slices.extent]) }
    return try read(regions.firstMoment, range)
  }

  /// The optimizer's second moment.
  package func secondMoment(_ range: Range<Int>? = nil) throws -> [Float] {
    if let collected { return Array(collected.second[range ?? 0..<slices.extent]) }
    return try read(regions.secondMoment, range)
  }

  private func read(_ block: TensorView<B.Storage>, _ range: Range<Int>?) throws -> [Float] {
    guard let range else { return try backend.read(block) }
    return try backend.read(
      TensorView(
        block.storage, offset: block.offset + range.lowerBound,
        shape: Shape(1, 1, 1, range.count)))
  }

  /// Restores parameters; the moving average begins with them.
  func restore(values: [Float]) throws {
    try backend.write(values, to: regions.parameters.block)
    if let average = regions.average { try backend.write(values, to: average) }
  }

  /// The weights that a run keeps, where they lie: their moving average, if there is one.
  package var keptParameters: DeviceParameters<B> {
    regions.average.map { DeviceParameters(model, in: $0) } ?? regions.parameters
  }

  /// Restores what the readers above gave.
  package func restore(
    values: [Float], averaged: [Float]?, first: [Float], second: [Float]
  ) throws {
    try backend.write(values, to: regions.parameters.block)
    let slice = slices[team.rank]
    if !slice.isEmpty {
      try backend.write(Array(first[slice]), to: regions.firstMoment)
      try backend.write(Array(second[slice]), to: regions.secondMoment)
    }
    if let average = regions.average { try backend.write(averaged ?? values, to: average) }
  }

  /// Gives every rank the parameters that the others have moved.
  func shareParameters() throws {
    guard slices.count > 1 else { return }
    let own = slices[team.rank]
    var all = [Float](repeating: 0, count: slices.count * slices.length)
    all.replaceSubrange(own, with: try values(own))
    try team.share(&all)
    try backend.write(Array(all.prefix(slices.extent)), to: regions.parameters.block)
  }

  /// Has every rank's moments ready for `firstMoment` and `secondMoment`, until they are let go;
  /// every rank has to.
  func collectMoments() throws {
    guard slices.count > 1 else { return }
    func collect(_ block: TensorView<B.Storage>) throws -> [Float] {
      let own = slices[team.rank]
      var all = [Float](repeating: 0, count: slices.count * slices.length)
      if !own.isEmpty { all.replaceSubrange(own, with: try backend.read(block)) }
      try team.share(&all)
      return Array(all.prefix(slices.extent))
    }
    collected = (try collect(regions.firstMoment), try collect(regions.secondMoment))
  }

  /// Lets them go.
  func releaseMoments() { collected = nil }

  /// Whether a state can be written: a rank has all moments.
  var hasAllMoments: Bool { slices.count == 1 || collected != nil }
}
