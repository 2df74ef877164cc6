import Foundation
import Restormer

/// One image to restore.
struct RestoreJob {
  let input: String
  let output: String
  let format: ImageFormat
  /// The right view of a dual-pixel pair.
  let right: String?
  /// Why the job cannot be done, known before it is tried.
  let fault: String?
}

/// Turns the command line's paths into jobs.
struct RestoreBatch {
  let inputs: [String]
  let output: String
  let right: String?
  let format: ImageFormat?
  let overwrite: Bool

  /// A path that does not exist and a folder without images are jobs with a fault.
  /// - Throws: `RestoreFailure` when the output's folder cannot be made or written to, or its name is that of an image
  /// that is not written.
  func jobs() throws -> [RestoreJob] {
    let files = inputs.flatMap { InputFile.list($0) }
    if let first = files.first, files.count == 1, first.fault != nil { return [faulty(first)] }
    if let named = try outputFormat() {
      let folder = (output as NSString).deletingLastPathComponent
      try makeFolder(folder.isEmpty ? "." : folder)
      return [job(inputs[0], output, format ?? named, fault: nil)]
    }
    try makeFolder(output)
    var taken: [String: String] = [:]
    return files.map { found in
      if found.fault != nil { return faulty(found) }
      let file = found.path
      let chosen = format ?? .png
      let stem = ((file as NSString).lastPathComponent as NSString).deletingPathExtension
      let target = (output as NSString).appendingPathComponent(stem + "." + chosen.pathExtension)
      let fault = taken[target].map { "its result would replace that of \($0)" }
      taken[target] = taken[target] ?? file
      return job(file, target, chosen, fault: fault)
    }
  }

  /// The format of the one file that the output names; nil for a folder.
  private func outputFormat() throws -> ImageFormat? {
    guard !isFolder(output), !output.hasSuffix("/") else { return nil }
    let ending = (output as NSString).pathExtension.lowercased()
    if ["tif", "tiff", "webp", "bmp", "gif", "heic", "avif"].contains(ending) {
      throw RestoreFailure(description: "\(output): only PNG and JPEG images are written")
    }
    let named = ImageFormat.writable.first { $0.pathExtensions.contains(ending) }
    if named != nil, inputs.count != 1 || isFolder(inputs[0]) {
      throw RestoreFailure(
        description: "\(output): names one image, expected a folder for the results")
    }
    return named
  }

  private func faulty(_ found: InputFile) -> RestoreJob {
    RestoreJob(input: found.path, output: output, format: .png, right: nil, fault: found.fault)
  }

  private func job(
    _ input: String, _ target: String, _ format: ImageFormat, fault: String?
  ) -> RestoreJob {
    var fault = fault
    if fault == nil, !overwrite, FileManager.default.fileExists(atPath: target) {
      fault = "\(target) exists (--overwrite replaces it)"
    }
    let rightView = right.map { right in
      isFolder(right)
        ? (right as NSString).appendingPathComponent((input as NSString).lastPathComponent) : right
    }
    return RestoreJob(input: input, output: target, format: format, right: rightView, fault: fault)
  }
}
