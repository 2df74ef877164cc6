import CImage

/// What is written into a file besides its pixels, as far as its format can say it.
struct EncodedNotes {
  private let tags: ImageTags
  private let profile: [UInt8]

  init(_ picture: any Picture, _ format: ImageFormat) {
    tags = picture.tags
    // PNG says by chunks of their own what JPEG needs a profile for.
    let made =
      format == .jpeg
      ? ColorProfile(picture.tags)?.bytes(channels: picture.channels) : nil
    profile = Self.profile(of: picture) ?? made ?? []
  }

  /// The profile unless it describes another number of channels: bytes 16 to 19 name its colour
  /// space. After a change of channels the old one would be wrong, and a file with it invalid.
  private static func profile(of picture: any Picture) -> [UInt8]? {
    let space = picture.iccProfile?.dropFirst(16).prefix(4)
    let others = ["GRAY", "RGB ", "CMYK"].filter { $0 != (picture.channels == 1 ? "GRAY" : "RGB ") }
    let isWrong = others.contains { name in space?.elementsEqual(name.utf8) ?? false }
    return isWrong ? nil : picture.iccProfile
  }

  /// The notes for C, as long as `body` runs.
  func withC<R>(_ body: (CImageNotes) -> R) -> R {
    profile.withSpan { icc in
      (tags.exif ?? []).withSpan { exif in
        (tags.xmp ?? []).withSpan { xmp in
          body(CImageNotes(tags: CImageTags(tags), icc: icc, exif: exif, xmp: xmp))
        }
      }
    }
  }
}

extension [UInt8] {
  fileprivate func withSpan<R>(_ body: (CImageSpan) -> R) -> R {
    withUnsafeBufferPointer { body(CImageSpan(bytes: $0.baseAddress, count: $0.count)) }
  }
}
