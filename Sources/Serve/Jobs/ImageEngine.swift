import Foundation
import Restormer

/// A restored picture as a file.
public struct RestoredImage: Sendable {
  /// The file.
  public let data: Data
  /// Its format.
  public let format: ImageFormat
  /// Whether the picture looked sharp already and was left as it is.
  public let isLeftAsItIs: Bool
  /// What was decided in a few words, where not the whole picture was restored.
  public let decision: String?

  /// A file of the given format.
  public init(data: Data, format: ImageFormat, isLeftAsItIs: Bool, decision: String? = nil) {
    (self.data, self.format) = (data, format)
    (self.isLeftAsItIs, self.decision) = (isLeftAsItIs, decision)
  }
}

/// A model on offer.
public struct OfferedModel: Codable, Sendable {
  /// The name to ask for it by.
  public let name: String
  /// What it is for, in one line.
  public let purpose: String
  /// Whether it leaves pictures that look sharp already as they are.
  public let leavesSharpAlone: Bool

  /// A model with its description.
  public init(name: String, purpose: String, leavesSharpAlone: Bool) {
    (self.name, self.purpose, self.leavesSharpAlone) = (name, purpose, leavesSharpAlone)
  }
}

/// What restores images, one at a time and always on the same thread.
public protocol ImageEngine: AnyObject, Sendable {
  /// The device's name.
  var device: String { get }
  /// The models, the one for whoever names none first.
  var models: [OfferedModel] { get }
  /// Restores the picture in a file.
  /// - Parameters:
  ///   - file: PNG, JPEG or another format that is read.
  ///   - request: what is to be done with it.
  ///   - progress: called with the fraction done, 0 to 1; what it throws ends the work where that
  ///     is possible.
  /// - Throws: an error whose description is one line.
  func restore(
    _ file: Data, _ request: JobRequest, progress: (Double) throws -> Void
  ) throws -> RestoredImage
}
