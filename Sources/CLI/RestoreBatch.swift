import Foundation
import Restormer

/// One image to restore.
struct RestoreJob {
  /// Its place in the list of all inputs.
  let number: Int
  let input: String
  /// Where the result goes; nil for standard output.
  let output: String?
  let format: ImageFormat
  /// The right view of a dual-pixel pair.
  let right: String?

  /// How input and result are called in messages.
  var inputName: String { input == InputFile.standardInput ? "standard input" : input }
  var outputName: String { output ?? "standard output" }
}

/// Turns the command line's paths into jobs.
struct RestoreBatch {
  let inputs: [String]
  let output: String
  var right: String?
  var format: ImageFormat?
  var overwrite = false
  var skipExisting = false
  var recursive = false
  var share = FileShare.whole

  /// What is to be done, and what is not.
  struct Plan {
    var jobs: [RestoreJob] = []
    /// Inputs that nothing can be done with, and why.
    var faults: [(number: Int, input: String, reason: String)] = []
    /// Jobs whose results are there already.
    var existing: [RestoreJob] = []
    /// All inputs.
    var count: Int { jobs.count + faults.count + existing.count }
  }

  /// A path that does not exist and a folder without images are faults.
  /// - Throws: `RestoreFailure` when the output's folder cannot be made or written to, or its name
  /// is that of an image that is not written.
  func plan() throws -> Plan {
    let target = try RestoreTarget(output, format: format)
    let given = InputFiles(inputs, recursive: recursive, except: output)
    given.noteWhatIsLeftOut(hint: " (-r does)")
    var plan = Plan()
    let files = given.files.enumerated()
    plan.faults = files.compactMap { number, file in
      share.takes(number) ? file.fault.map { (number, file.path, $0) } : nil
    }
    let usable = files.filter { $0.element.fault == nil }.map { ($0.offset, $0.element) }
    switch target {
    case .folder(let folder):
      let jobs = try usable.map { try job($1, $0, in: folder) }
      for job in shared(jobs) { add(job, to: &plan, isNamed: false) }
    case .file(let path, let format):
      try expectOneImage(given)
      if usable.isEmpty { break }
      try makeFolder(path.folderPath.isEmpty ? "." : path.folderPath)
      let only = job(usable[0].1, 0, path, format)
      for job in shared([only]) { add(job, to: &plan, isNamed: true) }
    case .standardOutput(let format):
      try expectOneImage(given)
      plan.jobs = shared(usable.map { job($1, $0, nil, format) })
    }
    // What exists now is what none of several ranks has written.
    try share.meet()
    return plan
  }

  /// The jobs of this process. Two that would have the same result are one process's, which sees
  /// that they do.
  private func shared(_ jobs: [RestoreJob]) -> [RestoreJob] {
    var owners: [[UInt8]: Int] = [:]
    return jobs.filter { job in
      let name = Array((job.output ?? "").utf8)
      let owner = owners[name] ?? job.number
      owners[name] = owner
      return share.takes(owner)
    }
  }

  private func expectOneImage(_ given: InputFiles) throws {
    guard given.files.count == 1, !inputs.contains(where: isFolder) else {
      throw RestoreFailure(
        description: "\(output): takes one image, expected a folder for the results")
    }
  }

  /// What exists is left alone in a folder of results, so that a batch can go on; a result that was
  /// named is refused.
  private func add(_ job: RestoreJob, to plan: inout Plan, isNamed: Bool) {
    guard !overwrite, let output = job.output, FileKind(output) != nil else {
      return plan.jobs.append(job)
    }
    if isNamed, !skipExisting {
      plan.faults.append((job.number, job.input, "\(output) exists (--overwrite replaces it)"))
    } else {
      plan.existing.append(job)
    }
  }

  private func job(_ file: InputFile, _ number: Int, in folder: String) throws -> RestoreJob {
    let chosen = format ?? .png
    let place = file.path == InputFile.standardInput ? "stdin" : file.place
    let parent = folder.appending(fileName: place.folderPath)
    try makeFolder(place.folderPath.isEmpty ? folder : parent)
    let name = "\(place.fileStem).\(chosen.pathExtension)"
    return job(file, number, parent.appending(fileName: name), chosen)
  }

  private func job(
    _ file: InputFile, _ number: Int, _ output: String?, _ format: ImageFormat
  ) -> RestoreJob {
    let view = right.map { isFolder($0) ? $0.appending(fileName: file.place) : $0 }
    return RestoreJob(
      number: number, input: file.path, output: output, format: format, right: view)
  }
}
