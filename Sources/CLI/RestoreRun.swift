import Foundation
import Kernels
import Restormer

/// What became of one image.
struct RestoreOutcome: Encodable {
  enum Status: String, Encodable {
    case restored, kept, exists, failed
  }
  let input: String
  var output: String?
  let status: Status
  var width: Int?
  var height: Int?
  var seconds: Double?
  /// What the picture was found to be, by weights for pages of text.
  var decision: String?
  /// The fault in one line.
  var error: String?

  init(_ job: RestoreJob, _ status: Status, _ image: Bitmap, seconds: Double) {
    (input, output, self.status) = (job.input.printable, job.outputName.printable, status)
    (width, height, self.seconds) = (image.width, image.height, seconds)
  }

  init(existing job: RestoreJob) {
    (input, output, status) = (job.input.printable, job.outputName.printable, .exists)
  }

  init(failed input: String, _ error: String) {
    (self.input, status, self.error) = (input.printable, .failed, error.printable)
  }
}

/// Restores a list of files one after the other.
struct RestoreRun: BackendVisitor {
  let jobs: [RestoreJob]
  let weights: ModelWeights
  let options: RestoreOptions
  let verbose: Bool
  let report: ReportFile?
  let interrupt: InterruptGuard

  func visit<B: Backend>(_ backend: B) throws -> [RestoreOutcome] {
    let restorer = try Restorer(weights, on: backend, options: options)
    if verbose {
      Console.note("network: \(weights.model.configuration.summary)")
      Console.note("parameters: \(grouped(weights.model.parameterCount))")
    }
    var bar = ProgressLine()
    restorer.note = { line in
      bar.clear()
      Console.note(line)
    }
    var written = WrittenFiles(inputs: jobs)
    let work = BatchWork(jobs)
    return jobs.enumerated().map { index, job in
      let label = "\(index + 1)/\(jobs.count) \(job.inputName.fileName)"
      bar.update(work.done(before: index), label)
      defer { bar.clear() }
      do {
        try written.check(job)
        let (outcome, summary) = try restore(job, with: restorer) { fraction in
          bar.update(work.done(before: index, and: fraction), label)
        }
        written.add(job)
        bar.clear()
        Console.note("\(job.inputName) -> \(job.outputName)  \(summary)")
        return outcome
      } catch {
        bar.clear()
        // It is told again at the end, where a long list has not pushed it out of sight.
        if jobs.count > 1 { Console.warn(oneLine(error)) }
        return RestoreOutcome(failed: job.input, oneLine(error))
      }
    }
  }

  private func restore<B: Backend>(
    _ job: RestoreJob, with restorer: Restorer<B>, progress: (Double) -> Void
  ) throws -> (RestoreOutcome, String) {
    let start = Date()
    let source = try ImageSource(job.input)
    try checkHostMemory(job, restorer, width: source.width, height: source.height)
    let image = try source.image()
    var isKept = false
    var page: PageDecision?
    do {
      let restored = try restorer.restore(
        image, right: try job.right.map(Bitmap.init(contentsOf:)), progress: progress)
      page = restored.page
      isKept =
        page?.isLeftAlone ?? (!options.evenSharp && weights.leavesAlone(restored.crispness))
      try write(
        isKept ? image : restored.picture, of: source, isKept: isKept, page?.summary, for: job)
    } catch let error where !(error is ImageError) {
      throw RestoreFailure(description: "\(job.inputName): \(oneLine(error))")
    }
    let seconds = Date().timeIntervalSince(start)
    var summary = "\(image.width)x\(image.height) \(duration(seconds))"
    for remark in image.remarks { summary += ", \(remark)" }
    if let page {
      if page.isLeftAlone || page.share < 0.995 || verbose { summary += ", \(page.summary)" }
    } else if isKept {
      summary += ", sharp already: left as it is (--even-sharp)"
    }
    if verbose {
      summary += ", " + (try describeTiles(restorer, image))
      if let plan = restorer.plan { summary += "; " + plan.summary }
    }
    var outcome = RestoreOutcome(job, isKept ? .kept : .restored, image, seconds: seconds)
    outcome.decision = page?.kind.rawValue
    return (outcome, summary)
  }

  /// Writes the result. What is left as it is keeps every byte where the format stays the same.
  private func write(
    _ result: Bitmap, of source: ImageSource, isKept: Bool, _ decision: String?,
    for job: RestoreJob
  ) throws {
    let same = isKept && source.format == job.format ? try source.bytes() : nil
    try interrupt.whole {
      guard let output = job.output else {
        return Console.write(try same ?? result.encode(format: job.format))
      }
      if let same {
        try writeAtomically(same, to: output)
      } else {
        try result.write(to: output, format: job.format)
      }
    }
    guard let report else { return }
    let after =
      try job.output.map { try Image(contentsOf: $0) } ?? Image(encoded: result, as: job.format)
    try report.add(
      (job.output ?? job.inputName).fileName + (decision.map { " (\($0))" } ?? ""),
      ReportViews(before: Image(try source.image()), after: after))
  }

  private func describeTiles<B: Backend>(_ restorer: Restorer<B>, _ image: Bitmap) throws -> String
  {
    let layout = try restorer.layout(width: image.width, height: image.height)
    let (width, height) = (
      min(layout.side ?? .max, image.width), min(layout.side ?? .max, image.height)
    )
    let memory = try restorer.memoryNeed(
      width: roundUp8(width), height: roundUp8(height), saving: layout.saving)
    return (layout.side.map { "tiles of \($0)" } ?? "whole")
      + (layout.saving == .none ? "" : ", saving memory (\(layout.saving))")
      + ", \(gigabytes(memory)) of device memory"
  }

  private func roundUp8(_ value: Int) -> Int { (value + 7) / 8 * 8 }

  private func checkHostMemory<B: Backend>(
    _ job: RestoreJob, _ restorer: Restorer<B>, width: Int, height: Int
  ) throws {
    let need = restorer.hostMemoryNeed(width: width, height: height)
    let host = MemoryBudget.host
    guard host.holds(MemoryNeed(pieces: need)) else {
      throw RestoreFailure(
        description:
          "\(job.inputName): \(width)x\(height) needs about \(gigabytes(need)) of memory, "
          + "the machine offers \(gigabytes(host.total))")
    }
  }
}

/// How far a batch has come, by the pixels of its images.
private struct BatchWork {
  /// Pixels before each image, and all of them at the end.
  private var before = [0.0]

  init(_ jobs: [RestoreJob]) {
    for job in jobs {
      let header = Console.isTerminal ? try? Image.header(of: job.input) : nil
      before.append(before[before.count - 1] + (header.map { Double($0.width * $0.height) } ?? 1))
    }
  }

  /// The share that is done when the images before `index`, and `fraction` of that one, are.
  func done(before index: Int, and fraction: Double = 0) -> Double {
    let start = before[index]
    return (start + fraction * (before[index + 1] - start)) / before[before.count - 1]
  }
}

/// The files that a run has written so far. Only what was written takes a name: a job that failed leaves it to the next.
private struct WrittenFiles {
  private var sources: [FileIdentity: String] = [:]
  private let inputs: [FileIdentity: String]

  init(inputs jobs: [RestoreJob]) {
    inputs = Dictionary(
      jobs.compactMap { job in FileIdentity(job.input).map { ($0, job.input) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// - Throws: `RestoreFailure` when the result would replace another one of this run, or another job's image.
  func check(_ job: RestoreJob) throws {
    guard let found = job.output.flatMap(FileIdentity.init) else { return }
    if let other = sources[found] {
      throw RestoreFailure(
        description: "\(job.inputName): its result would replace that of \(other)")
    }
    if let other = inputs[found], found != FileIdentity(job.input) {
      throw RestoreFailure(description: "\(job.inputName): its result would replace \(other)")
    }
  }

  mutating func add(_ job: RestoreJob) {
    guard let made = job.output.flatMap(FileIdentity.init) else { return }
    sources[made] = job.inputName
  }
}

/// One image could not be restored.
struct RestoreFailure: Error, CustomStringConvertible {
  let description: String
}
