import CImage

/// Encodes a picture row by row, so that it takes little memory beside the picture.
final class ImageEncoder {
  private let picture: any Picture
  private let format: ImageFormat
  private let put: (UnsafeRawBufferPointer) -> Bool
  private var values: [Float]

  /// An encoder that gives the file's bytes to `put`, part by part, until that returns false.
  init(
    _ picture: any Picture, _ format: ImageFormat, put: @escaping (UnsafeRawBufferPointer) -> Bool
  ) {
    (self.picture, self.format, self.put) = (picture, format, put)
    values = [Float](repeating: 0, count: picture.width)
  }

  /// PNG has the picture's bit depth and keeps alpha. JPEG has 8 bits, and lays a transparent
  /// picture over white, as viewers show it.
  private var layout: CImageLayout {
    let isPNG = format == .png
    return CImageLayout(
      width: UInt32(picture.width), height: UInt32(picture.height),
      channels: Int32(picture.channels), has_alpha: isPNG && picture.hasAlpha ? 1 : 0,
      bit_depth: isPNG ? Int32(picture.bitDepth) : 8)
  }

  /// Encodes the whole picture.
  /// - Returns: the fault in one line, nil for none.
  func encode(quality: Int) -> String? {
    guard ImageFormat.writable.contains(format) else { return "\(format.title) is not written" }
    guard max(picture.width, picture.height) <= ImageHeader.maximumSide else {
      return "\(picture.width) x \(picture.height) pixels is too large to write"
    }
    var (layout, output) = (layout, output)
    var message = [CChar](repeating: 0, count: Int(CIMAGE_TEXT_LENGTH))
    let isWhole = withExtendedLifetime(self) {
      EncodedNotes(picture, format).withC { notes in
        var notes = notes
        return format == .png
          ? cimage_encode_png(&layout, &notes, &output, &message)
          : cimage_encode_jpeg(&layout, &notes, Int32(min(max(quality, 1), 100)), &output, &message)
      }
    }
    guard isWhole == 0 else { return nil }
    return String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private var output: CImageOutput {
    CImageOutput(
      context: Unmanaged.passUnretained(self).toOpaque(),
      fill: { context, y, row in
        guard let context, let row else { return }
        Unmanaged<ImageEncoder>.fromOpaque(context).takeUnretainedValue().fill(Int(y), row)
      },
      write: { context, bytes, count in
        guard let context else { return 0 }
        let encoder = Unmanaged<ImageEncoder>.fromOpaque(context).takeUnretainedValue()
        return encoder.put(UnsafeRawBufferPointer(start: bytes, count: count)) ? 1 : 0
      })
  }

  private func fill(_ y: Int, _ row: UnsafeMutablePointer<UInt8>) {
    let layout = layout
    let samples = Int(layout.channels + layout.has_alpha)
    values.withUnsafeMutableBufferPointer { values in
      for sample in 0..<samples {
        if format == .png {
          picture.read(sample, y, 0..<picture.width, into: values.baseAddress!)
        } else {
          picture.readOverWhite(sample, y, 0..<picture.width, into: values.baseAddress!)
        }
        cimage_pack(
          values.baseAddress, layout.bit_depth, samples, picture.width,
          row + sample * Int(layout.bit_depth) / 8)
      }
    }
  }
}
