extension Image {
  /// Both images with as many channels: a gray one beside a coloured one is shown in three equal
  /// channels.
  package static func inEqualChannels(_ a: Image, _ b: Image) -> (Image, Image) {
    a.channels == b.channels ? (a, b) : (a.colour, b.colour)
  }

  private var colour: Image {
    guard channels == 1 else { return self }
    var copy = self
    (copy.channels, copy.pixels) = (3, pixels + pixels + pixels)
    return copy
  }
}
