/// Up to three pictures of the same thing, of one size.
package struct ReportViews: Sendable {
  /// The degraded image, or nil where there is only one to judge.
  package var before: Image?
  /// The image to judge.
  package var after: Image
  /// What it should be.
  package var target: Image?

  /// Views of one image; gray ones beside coloured ones become gray in three channels.
  package init(before: Image? = nil, after: Image, target: Image? = nil) {
    let channels = [before, after, target].compactMap { $0?.channels }.max() ?? 1
    self.before = before?.opaque(channels: channels)
    self.after = after.opaque(channels: channels)
    self.target = target?.opaque(channels: channels)
  }

  /// The views there are, under their names in the page.
  var named: [(name: String, image: Image)] {
    [("before", before), ("after", after), ("target", target)].compactMap { name, image in
      image.map { (name, $0) }
    }
  }
}

extension Image {
  /// The image over white, as viewers show it, in 8 bits and one or three channels.
  fileprivate func opaque(channels wanted: Int) -> Image {
    var copy = overWhite
    (copy.bitDepth, copy.tags) = (8, tags.ofPixels)
    guard channels == 1, wanted == 3 else { return copy }
    copy.channels = 3
    copy.pixels = copy.pixels + copy.pixels + copy.pixels
    // A profile of gray does not describe colours.
    copy.iccProfile = nil
    return copy
  }
}
