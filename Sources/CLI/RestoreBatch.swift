import ArgumentParser
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

  /// - Throws: `ValidationError` for a path that does not exist or a folder without images.
  func jobs() throws -> [RestoreJob] {
    let files = try inputs.flatMap(expand)
    let single = inputs.count == 1 && !Self.isFolder(inputs[0])
    if single, !Self.isFolder(output),
      let named = ImageFormat(pathExtension: (output as NSString).pathExtension.lowercased())
    {
      return [job(files[0], output, format ?? named, fault: nil)]
    }
    try makeFolder()
    var taken: [String: String] = [:]
    return files.map { file in
      let chosen = format ?? .png
      let stem = ((file as NSString).lastPathComponent as NSString).deletingPathExtension
      let target = (output as NSString).appendingPathComponent(stem + "." + chosen.pathExtension)
      let fault = taken[target].map { "its result would replace that of \($0)" }
      taken[target] = taken[target] ?? file
      return job(file, target, chosen, fault: fault)
    }
  }

  private func job(
    _ input: String, _ target: String, _ format: ImageFormat, fault: String?
  ) -> RestoreJob {
    var fault = fault
    if fault == nil, !overwrite, FileManager.default.fileExists(atPath: target) {
      fault = "\(target) exists (--overwrite replaces it)"
    }
    let rightView = right.map { right in
      Self.isFolder(right)
        ? (right as NSString).appendingPathComponent((input as NSString).lastPathComponent) : right
    }
    return RestoreJob(input: input, output: target, format: format, right: rightView, fault: fault)
  }

  private func expand(_ path: String) throws -> [String] {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ValidationError("\(path): no such file or folder")
    }
    guard Self.isFolder(path) else { return [path] }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw ValidationError("\(path): the folder cannot be read")
    }
    let images = names.filter { name in
      !name.hasPrefix(".")
        && ImageFormat(pathExtension: (name as NSString).pathExtension.lowercased()) != nil
    }
    guard !images.isEmpty else {
      throw ValidationError("\(path): no PNG or JPEG image in this folder")
    }
    return images.sorted().map { (path as NSString).appendingPathComponent($0) }
  }

  private func makeFolder() throws {
    do {
      try FileManager.default.createDirectory(
        atPath: output, withIntermediateDirectories: true)
    } catch {
      throw ValidationError("\(output): the folder cannot be made")
    }
    guard access(output, W_OK) == 0 else {
      throw ValidationError("\(output): the folder cannot be written to")
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }
}
