import CImage

/// What is written into a file besides its pixels, as far as its format can say it.
struct EncodedNotes {
  /// What the format cannot say and was left out, for people.
  private(set) var losses: [String] = []
  private var tags: ImageTags
  private var profile: [UInt8]
  private var extended: ExtendedXMP?

  init(_ picture: any Picture, _ format: ImageFormat) {
    tags = picture.tags
    let own = Self.profile(of: picture)
    profile = own ?? []
    if own == nil, picture.iccProfile != nil {
      losses.append("its colour profile, which is for other channels")
    }
    guard format == .jpeg else { return }
    // PNG says by chunks of their own what JPEG needs a profile for.
    profile = own ?? ColorProfile(picture.tags)?.bytes(channels: picture.channels) ?? []
    if tags.codingPoints != nil { losses.append("its colours as of cICP, which JPEG cannot name") }
    profile = whatFits(profile, "colour profile", in: CIMAGE_JPEG_ICC) ?? []
    tags.exif = whatFits(tags.exif, "EXIF", in: CIMAGE_JPEG_EXIF)
    extended = tags.xmp.flatMap(ExtendedXMP.init(fitting:))
    tags.xmp = extended?.packet ?? whatFits(tags.xmp, "XMP", in: CIMAGE_JPEG_XMP)
  }

  /// Bytes of a kind, or nil where they are more than `most`.
  private mutating func whatFits(_ bytes: [UInt8]?, _ kind: String, in most: Int) -> [UInt8]? {
    guard let bytes, bytes.count > most else { return bytes }
    losses.append("its \(kind) of \(bytes.count) bytes, of which JPEG holds \(most)")
    return nil
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
        withXMP { xmp, more, name in
          body(
            CImageNotes(
              tags: CImageTags(tags), icc: icc, exif: exif, xmp: xmp, more_xmp: more,
              more_xmp_name: name))
        }
      }
    }
  }

  private func withXMP<R>(_ body: (CImageSpan, CImageSpan, CImageSpan) -> R) -> R {
    (tags.xmp ?? []).withSpan { xmp in
      (extended?.more ?? []).withSpan { more in
        (extended?.name ?? []).withSpan { name in body(xmp, more, name) }
      }
    }
  }
}
