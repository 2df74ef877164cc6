import Foundation
import Restormer

/// What is to be done with one image.
public struct JobRequest: Sendable {
  /// The model's name, one of those that the engine offers.
  public var model: String
  /// The format of the result; nil for that of the upload.
  public var format: ImageFormat?
  /// Average over the eight flips and rotations.
  public var ensemble = false
  /// Change pictures that look sharp already, too.
  public var evenSharp = false
}

/// One image on its way. Every change happens under the store's lock.
final class Job {
  enum State: String, Codable, CaseIterable {
    case queued, running, done, failed, cancelled

    var isFinal: Bool { self != .queued && self != .running }
  }

  let id = Job.newID()
  let batch: String
  let name: String
  let request: JobRequest
  let source: Data
  let header: ImageHeader

  var state = State.queued
  var progress = 0.0
  var result: RestoredImage?
  /// The upload as a PNG, once somebody asked for it.
  var picture: Data?
  var fault: String?
  var started: Date?
  var finished: Date?
  /// The changes of the whole store are counted: this job's first and last.
  var order = 0
  var version = 0

  init(batch: String, name: String, request: JobRequest, source: Data, header: ImageHeader) {
    (self.batch, self.name, self.request) = (batch, name, request)
    (self.source, self.header) = (source, header)
  }

  var bytes: Int { source.count + (result.map(bytes) ?? 0) + (picture?.count ?? 0) }

  /// What a result takes beside the upload, which is itself the result of what is left alone.
  func bytes(of result: RestoredImage) -> Int {
    result.isLeftAsItIs && result.data == source ? 0 : result.data.count
  }

  /// The upload's name with the extension of the result.
  var resultName: String {
    let stem = (name as NSString).deletingPathExtension
    return "\(stem.isEmpty ? name : stem).\((result?.format ?? .png).pathExtension)"
  }

  /// 128 bits that nobody guesses: whoever knows the name of a job or batch may use it.
  static func newID() -> String {
    UUID().uuidString.lowercased().replacing("-", with: "")
  }

  /// The last part of whatever path an upload is called by, without what a terminal, a file system
  /// or a header could take for an order.
  static func plainName(_ name: String) -> String {
    // Scalars, as a slash with an accent behind it is another Character, and still a slash.
    let last =
      name.unicodeScalars.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? .init()
    let harmless = last.filter { scalar in
      let category = scalar.properties.generalCategory
      return category != .control && category != .format && category != .lineSeparator
        && category != .paragraphSeparator && !"<>:\"|?*".unicodeScalars.contains(scalar)
    }
    let trimmed = String(String.UnicodeScalarView(harmless)).trimmingCharacters(in: .whitespaces)
    var text = String(trimmed.unicodeScalars.drop { $0 == "." })
    while text.utf8.count > 150 { text.remove(at: text.index(before: text.endIndex)) }
    return text.isEmpty ? "image" : text
  }
}

/// What the outside sees of a job.
struct JobStatus: Codable {
  var id: String
  var batch: String
  var name: String
  var model: String
  var state: Job.State
  /// 0 to 1.
  var progress: Double
  /// How many jobs go before it, while it waits.
  var ahead: Int?
  var width: Int
  var height: Int
  /// Why it failed.
  var error: String?
  /// Whether the picture looked sharp already and the result is the picture as it was.
  var leftAsItIs: Bool?
  /// What was decided in a few words, where not the whole picture was restored.
  var decision: String?
  /// Seconds on the device.
  var seconds: Double?
  var resultName: String?
  var resultType: String?
  var resultBytes: Int?

  init(_ job: Job, ahead: Int?) {
    (id, batch, name, model) = (job.id, job.batch, job.name, job.request.model)
    (state, progress, self.ahead) = (job.state, job.progress, ahead)
    (width, height, error) = (job.header.width, job.header.height, job.fault)
    if let started = job.started, let finished = job.finished {
      seconds = (finished.timeIntervalSince(started) * 1000).rounded() / 1000
    }
    if let result = job.result {
      (leftAsItIs, decision) = (result.isLeftAsItIs, result.decision)
      resultName = job.resultName
      (resultType, resultBytes) = ("image/\(result.format.rawValue)", result.data.count)
    }
  }
}
