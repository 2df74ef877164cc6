/// A fault of an image file, on one line: the file, then what is wrong with it.
public struct ImageError: Error, CustomStringConvertible, Equatable, Sendable {
  /// The file as the caller named it; empty for an image in memory.
  public let path: String
  /// What is wrong, for example "the file is truncated".
  public let fault: String

  /// Makes an error from the file and its fault.
  public init(path: String, fault: String) {
    self.path = path
    self.fault = fault
  }

  public var description: String { path.isEmpty ? fault : "\(path): \(fault)" }
}
