import Kernels

extension Restorer {
  /// Bytes of the machine's own memory that an image of `width x height` takes beside that of the
  /// network, at most: the samples as read and as restored; as floats what goes into the network
  /// at once, twice where that is made of two views; and where orientations are averaged, five
  /// copies more.
  public func hostMemoryNeed(width: Int, height: Int) -> Int {
    Self.hostMemoryNeed(model, options, orientations.count, width: width, height: height)
  }

  static func hostMemoryNeed(
    _ model: RestormerModel, _ options: RestoreOptions, _ orientations: Int, width: Int, height: Int
  ) -> Int {
    let float = 4
    let channels = model.configuration.inputChannels
    let copies = (orientations > 1 ? 5 : 0) + (options.tile.isFixed ? 0 : channels > 3 ? 2 : 1)
    let values = copies * max(channels, 3)
    return 2 * samplesNeed(width: width, height: height) + width * height * float * values
  }

  /// Bytes of a picture's samples, with four of two bytes each to a pixel.
  private static func samplesNeed(width: Int, height: Int) -> Int { width * height * 4 * 2 }

  /// Makes sure that the machine's own memory holds what restoring takes. `restore` asks that too,
  /// but by then the picture has been read.
  /// - Throws: `RestoreError` saying what is needed and what there is.
  public func checkHostMemory(width: Int, height: Int) throws {
    try checkHostMemory(width: width, height: height, isRead: false)
  }

  func checkHostMemory(width: Int, height: Int, isRead: Bool) throws {
    let need = hostMemoryNeed(width: width, height: height)
    let there = isRead ? Self.samplesNeed(width: width, height: height) : 0
    let host = hostMemory()
    guard host.holds(MemoryNeed(pieces: need - there)) else {
      throw RestoreError(
        "\(width)x\(height) needs about \(gigabytes(need)) of memory, the machine offers "
          + gigabytes(host.total + there))
    }
  }
}
