import Basics
import Foundation
import Kernels
import Restormer

/// What became of one image.
struct RestoreOutcome: Codable {
  enum Status: String, Codable {
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

/// Restores a list of files one after the other. While the device works on one, those after it are
/// decoded and those before it encoded and written.
struct RestoreRun {
  let jobs: [RestoreJob]
  let options: RestoreOptions
  let verbose: Bool
  let report: ReportFile?
  let interrupt: InterruptGuard

  /// Results that are being written at a time: encoding takes longer than a fast device needs for
  /// an image.
  private static let writers = 4

  /// Restores on `backend`, and says what became of each. The weights are given up once the backend
  /// has them.
  func run(
    with weights: consuming ModelWeights, on backend: some Backend
  ) throws -> [RestoreOutcome] {
    let restorer = try Restorer(weights, on: backend, options: options)
    if verbose {
      Console.note("network: \(restorer.model.configuration.summary)")
      Console.note("parameters: \(grouped(restorer.model.parameterCount))")
    }
    let clock = Stopwatch()
    var bar = ProgressLine()
    restorer.note = { line in
      bar.clear()
      Console.note(line)
    }
    let ahead = ReadAhead(jobs) { width, height in
      try restorer.checkHostMemory(width: width, height: height)
      return restorer.hostMemoryNeed(width: width, height: height)
    }
    let work = BatchWork(jobs)
    var state = RunState(jobs)
    for (index, job) in jobs.enumerated() {
      let label = "\(index + 1)/\(jobs.count) \(job.inputName.fileName)"
      bar.update(work.done(before: index), label)
      do {
        try state.written.check(job)
        let reading = try naming(job) {
          try ahead.take(index, beside: state.writing.reduce(0) { $0 + $1.need })
        }
        let result = try restore(job, reading, with: restorer, &state) { fraction in
          bar.update(work.done(before: index, and: fraction), label)
        }
        bar.clear()
        finish(&state, until: { $0.count < Self.writers && !$0.contains { $0.conflicts(job) } })
        try state.written.check(job)
        state.writing.append(
          Writing(index: index, job: job, need: reading.need, result: result) {
            try naming(job) { try write(result.restored, of: reading.source, for: job) }
          })
      } catch {
        bar.clear()
        finish(&state, until: \.isEmpty)
        state.outcomes[index] = failure(job, error)
      }
    }
    finish(&state, until: \.isEmpty)
    bar.clear()
    if verbose { noteUse(state.busy, of: clock.seconds) }
    return state.outcomes.compactMap { $0 }
  }

  /// How far the jobs have come.
  private struct RunState {
    var outcomes: [RestoreOutcome?]
    var written: WrittenFiles
    /// In the order of the jobs.
    var writing: [Writing] = []
    /// Seconds in which the network ran.
    var busy = 0.0

    init(_ jobs: [RestoreJob]) {
      outcomes = Array(repeating: nil, count: jobs.count)
      written = WrittenFiles(inputs: jobs)
    }
  }

  /// A restored image and what is said of it.
  private struct RestoredJob {
    let image: Bitmap
    let restored: Restored<Bitmap>
    let summary: String
    /// Seconds so far.
    let seconds: Double
  }

  /// A result that is being written.
  private struct Writing {
    let index: Int
    let job: RestoreJob
    let need: Int
    let result: RestoredJob
    let file: Later<Void>
    private let place: FileIdentity?

    init(
      index: Int, job: RestoreJob, need: Int, result: RestoredJob,
      _ write: @escaping () throws -> Void
    ) {
      (self.index, self.job, self.need, self.result) = (index, job, need, result)
      place = job.output.flatMap(FileIdentity.init)
      file = Later(write)
    }

    /// Whether another job's result has the same place.
    func conflicts(_ other: RestoreJob) -> Bool {
      guard let output = other.output, let own = job.output else { return true }
      return output == own || place != nil && place == FileIdentity(output)
    }
  }

  /// Tells of results that are written, until `isEnough` of those that are being written.
  private func finish(_ state: inout RunState, until isEnough: ([Writing]) -> Bool) {
    while let first = state.writing.first, first.file.isThere || !isEnough(state.writing) {
      state.outcomes[first.index] = outcome(of: first, &state.written)
      state.writing.removeFirst()
    }
  }

  private func outcome(of writing: Writing, _ written: inout WrittenFiles) -> RestoreOutcome {
    let (job, result) = (writing.job, writing.result)
    do {
      try writing.file.value()
    } catch {
      return failure(job, error)
    }
    written.add(job)
    let seconds = result.seconds + writing.file.seconds
    let (image, isKept) = (result.image, result.restored.decision.isLeftAlone)
    Console.noteOfFile(
      "\(job.inputName) -> \(job.outputName)  \(image.width)x\(image.height) \(duration(seconds))"
        + result.summary)
    var outcome = RestoreOutcome(job, isKept ? .kept : .restored, image, seconds: seconds)
    outcome.decision = result.restored.decision.page?.kind.rawValue
    return outcome
  }

  private func failure(_ job: RestoreJob, _ error: any Error) -> RestoreOutcome {
    // It is told again at the end, where a long list has not pushed it out of sight.
    if jobs.count > 1 { Console.warnOfFile(oneLine(error)) }
    return RestoreOutcome(failed: job.input, oneLine(error))
  }

  private func restore<B: Backend>(
    _ job: RestoreJob, _ reading: ReadAhead.Reading, with restorer: Restorer<B>,
    _ state: inout RunState, progress: (Double) -> Void
  ) throws -> RestoredJob {
    let images = try reading.images.value()
    let clock = Stopwatch()
    return try naming(job) {
      let restored = try restorer.restore(images.image, right: images.right, progress: progress)
      state.busy += clock.seconds
      return RestoredJob(
        image: images.image, restored: restored,
        summary: try summary(images.image, restored, as: job.format, restorer),
        seconds: reading.images.seconds + clock.seconds)
    }
  }

  private func noteUse(_ busy: Double, of all: Double) {
    let peak = HostMemory.peak.map { ", this process took \(gigabytes($0)) at most" }
    Console.note(
      String(format: "the network ran %.0f %% of ", 100 * min(1, busy / max(all, 1e-9)))
        + duration(all) + (peak ?? ""))
  }

  /// Names the job in errors that name no file.
  private func naming<Result>(_ job: RestoreJob, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error where !(error is ImageError) {
      throw RestoreFailure(description: "\(job.inputName): \(oneLine(error))")
    }
  }

  /// What is said of an image behind its size and time.
  private func summary<B: Backend>(
    _ image: Bitmap, _ restored: Restored<Bitmap>, as format: ImageFormat,
    _ restorer: Restorer<B>
  ) throws -> String {
    var summary = ""
    for remark in image.remarks { summary += ", \(remark)" }
    for loss in restored.picture.losses(as: format) { summary += ", left out: \(loss)" }
    if let decision = restored.decision.exceptional
      ?? (verbose ? restored.decision.page?.summary : nil)
    {
      summary += ", \(decision)"
    }
    if verbose {
      summary += ", " + (try describe(restored.decision, restorer, image))
      if let plan = restorer.plan { summary += "; " + plan.summary }
    }
    return summary
  }

  /// Writes the result. What is left as it is keeps every byte where the format stays the same.
  private func write(
    _ restored: Restored<Bitmap>, of source: ImageSource, for job: RestoreJob
  ) throws {
    let result = restored.picture
    let isSame = restored.decision.isLeftAlone && source.format == job.format
    let same = isSame ? try source.bytes() : nil
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
      (job.output ?? job.inputName).fileName
        + (restored.decision.page.map { " (\($0.summary))" } ?? ""), number: job.number,
      ReportViews(before: Image(try source.image()), after: after))
  }

  private func describe<B: Backend>(
    _ decision: RestoreDecision, _ restorer: Restorer<B>, _ image: Bitmap
  ) throws -> String {
    let layout = decision.layout
    let memory = try restorer.memoryNeed(of: layout, width: image.width, height: image.height)
    return (layout.side.map { "tiles of \($0)" } ?? "whole")
      + (layout.saving == .none ? "" : ", saving memory (\(layout.saving))")
      + (decision.isBrightened
        ? String(format: ", brightened from paper at %.0f%%", 100 * decision.exposure) : "")
      + ", \(gigabytes(memory)) of device memory"
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

/// The files that a run has written so far. Only what was written takes a name: a job that failed
/// leaves it to the next.
private struct WrittenFiles {
  private var sources: [FileIdentity: String] = [:]
  private let inputs: [FileIdentity: String]

  init(inputs jobs: [RestoreJob]) {
    inputs = Dictionary(
      jobs.compactMap { job in FileIdentity(job.input).map { ($0, job.input) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// - Throws: `RestoreFailure` when the result would replace another one of this run, or another
  ///   job's image.
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
