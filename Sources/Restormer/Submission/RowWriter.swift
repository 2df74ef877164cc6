/// Rows of numbers and names on their way to a file, tens of millions of them: text is made in one
/// buffer that goes to the file whenever it is full.
final class RowWriter {
  private let file: AtomicFile
  private let buffer: UnsafeMutablePointer<UInt8>
  private var count = 0
  private static let capacity = 1 << 20
  /// More than any number takes.
  private static let longestNumber = 24

  /// Starts a file that appears under `path` at `commit`.
  init(path: String) throws(FileError) {
    file = try AtomicFile(path: path)
    buffer = .allocate(capacity: Self.capacity)
  }

  deinit { buffer.deallocate() }

  /// Appends text as it is.
  func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard bytes.count <= Self.capacity else {
      try flush()
      return try file.write(bytes)
    }
    try reserve(bytes.count)
    if let start = bytes.baseAddress {
      UnsafeMutableRawPointer(buffer + count).copyMemory(from: start, byteCount: bytes.count)
    }
    count += bytes.count
  }

  func append(_ bytes: [UInt8]) throws(FileError) {
    try bytes.withUnsafeBufferPointer { (pointer) throws(FileError) in
      try append(UnsafeRawBufferPointer(pointer))
    }
  }

  func append(_ byte: UInt8) throws(FileError) {
    try reserve(1)
    buffer[count] = byte
    count += 1
  }

  /// Appends a number that is not negative.
  func append(_ number: Int) throws(FileError) {
    try reserve(Self.longestNumber)
    let start = count
    var rest = number
    repeat {
      buffer[count] = Self.zero + UInt8(truncatingIfNeeded: rest % 10)
      count += 1
      rest /= 10
    } while rest > 0
    reverse(from: start)
  }

  /// Appends `steps / 10^decimals` without zeros at the end: 250 of 3 decimals is `0.25`.
  func append(_ steps: Int, decimals: Int) throws(FileError) {
    try reserve(Self.longestNumber)
    var (rest, digits) = (steps, decimals)
    while digits > 0, rest % 10 == 0 { (rest, digits) = (rest / 10, digits - 1) }
    let start = count
    var written = 0
    repeat {
      if written == digits, digits > 0 {
        buffer[count] = Self.point
        count += 1
      }
      buffer[count] = Self.zero + UInt8(truncatingIfNeeded: rest % 10)
      count += 1
      rest /= 10
      written += 1
    } while rest > 0 || written <= digits
    reverse(from: start)
  }

  /// Writes what is left and gives the file its name.
  func commit() throws(FileError) {
    try flush()
    try file.commit()
  }

  private static let zero = UInt8(ascii: "0")
  private static let point = UInt8(ascii: ".")

  private func reverse(from start: Int) {
    var (low, high) = (start, count - 1)
    while low < high {
      (buffer[low], buffer[high]) = (buffer[high], buffer[low])
      (low, high) = (low + 1, high - 1)
    }
  }

  private func reserve(_ more: Int) throws(FileError) {
    if count + more > Self.capacity { try flush() }
  }

  private func flush() throws(FileError) {
    try file.write(UnsafeRawBufferPointer(start: buffer, count: count))
    count = 0
  }
}
