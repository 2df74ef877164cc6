import Foundation
import Kernels
import Restormer

/// The pages that pairs are made from, and what cannot be used, one line each.
struct DegradeBatch {
  let pages: [CleanPage]
  let faults: [String]
  private let writer: PairFolderWriter
  private let overwrite: Bool

  /// Looks for the pages of files and folders.
  init(_ inputs: [String], writer: PairFolderWriter, overwrite: Bool) {
    (self.writer, self.overwrite) = (writer, overwrite)
    var (pages, faults) = ([CleanPage](), [String]())
    var taken: [[UInt8]: String] = [:]
    let found = InputFiles(inputs, pdf: true)
    found.noteWhatIsLeftOut()
    for file in found.files {
      do {
        if let fault = file.fault { throw RestoreFailure(description: "\(file.path): \(fault)") }
        for page in try CleanPage.list(file.path) {
          let names = writer.names(of: page)
          let fault = Self.fault(of: page, names, taken, writer)
          if let fault { faults.append("\(page): \(fault)") } else { pages.append(page) }
          for name in names.map({ Array($0.utf8) }) where taken[name] == nil {
            taken[name] = "\(page)"
          }
        }
      } catch {
        faults.append(oneLine(error))
      }
    }
    (self.pages, self.faults) = (pages, faults)
  }

  /// The names of all pairs.
  var names: [String] { pages.flatMap(writer.names) }

  private static func fault(
    of page: CleanPage, _ names: [String], _ taken: [[UInt8]: String], _ writer: PairFolderWriter
  ) -> String? {
    if let other = names.compactMap({ taken[Array($0.utf8)] }).first {
      return "its pairs would replace those of \(other)"
    }
    let files = names.flatMap { [writer.files($0).input, writer.files($0).target] }
    if files.contains(where: { isSameFile($0, page.path) }) {
      return "its pairs would replace the page itself"
    }
    return nil
  }

  private static func isSameFile(_ a: String, _ b: String) -> Bool {
    FileIdentity(a).map { $0 == FileIdentity(b) } ?? false
  }

  /// Makes the pairs of all pages, several pages at a time, and keeps their record.
  /// - Throws: `FileError` when the record cannot be written.
  func run(_ manifest: DegradationManifest) throws -> DegradeOutcome {
    let progress = SharedProgress(count: pages.count)
    let record = SharedRecord(manifest)
    let remarks = RemarkNotes()
    let interrupt = InterruptFlag("leaving after these pairs (once more to leave at once)")
    let faults = concurrently(pages, workers: workers) { page -> String? in
      let fault = fault(of: page, manifest, record, interrupt)
      progress.finish("\(page)")
      return fault
    }
    progress.clear()
    remarks.finish()
    try record.write()
    return DegradeOutcome(
      pairs: record.pairs, oldPairs: record.oldPairs, faults: faults.compactMap { $0 },
      interruptCode: interrupt.code)
  }

  /// Makes the pairs of a page; why it cannot be done, in one line. Between two pairs a request to stop is heard.
  private func fault(
    of page: CleanPage, _ known: DegradationManifest, _ record: SharedRecord,
    _ interrupt: InterruptFlag
  ) -> String? {
    if interrupt.isSet { return nil }
    do {
      try checkMemory(page)
      try writer.write(page, known: known, overwrite: overwrite) { entry, wasThere in
        try record.add(entry, wasThere: wasThere)
        if interrupt.isSet { throw Interruption() }
      }
      return nil
    } catch {
      return error is Interruption ? nil : oneLine(error)
    }
  }

  private struct Interruption: Error {}

  /// As many as the cores can work on and the memory holds.
  private var workers: Int {
    let largest = pages.map(memoryNeed).max() ?? 1
    return max(
      1, min(ProcessInfo.processInfo.activeProcessorCount, MemoryBudget.host.total / largest))
  }

  private func checkMemory(_ page: CleanPage) throws {
    let (need, host) = (memoryNeed(page), MemoryBudget.host)
    guard host.holds(MemoryNeed(pieces: need)) else {
      throw RestoreFailure(
        description: "\(page): needs about \(gigabytes(need)) of memory, the machine offers "
          + gigabytes(host.total))
    }
  }

  /// About eight copies of the page's values on their way. A page of a PDF is taken for one of A4.
  private func memoryNeed(_ page: CleanPage) -> Int {
    let header = page.pageNumber == nil ? try? Image.header(of: page.path) : nil
    let pixels = header.map { $0.width * $0.height } ?? 97 * writer.dpi * writer.dpi
    return max(1, 8 * 4 * (header?.channels ?? 3) * pixels)
  }
}

/// A progress bar that several threads move on.
private final class SharedProgress: @unchecked Sendable {
  private let lock = NSLock()
  private var bar = ProgressLine()
  private var done = 0
  private let count: Int

  init(count: Int) { self.count = count }

  func finish(_ label: String) {
    lock.withLock {
      done += 1
      bar.update(Double(done) / Double(count), "\(done)/\(count) \(label)")
    }
  }

  func clear() { lock.withLock { bar.clear() } }
}

/// What became of a batch.
struct DegradeOutcome {
  /// Pairs that are there now, and how many of them were there before.
  let pairs: Int
  let oldPairs: Int
  /// One line for each page that failed.
  let faults: [String]
  /// The exit code of a batch that was broken off.
  let interruptCode: Int32?
}

/// The record of made pairs, kept up by several threads: what it lacks when the program is killed has to be made again.
private final class SharedRecord: @unchecked Sendable {
  private let lock = NSLock()
  private var manifest: DegradationManifest
  private var sinceWritten = Stopwatch()
  private var isChanged = false
  private(set) var pairs = 0
  private(set) var oldPairs = 0

  init(_ manifest: DegradationManifest) { self.manifest = manifest }

  func add(_ pair: DegradationManifest.Entry, wasThere: Bool) throws {
    try lock.withLock {
      manifest.add([pair])
      pairs += 1
      oldPairs += wasThere ? 1 : 0
      isChanged = true
      if sinceWritten.seconds > 5 { try writeChanges() }
    }
  }

  func write() throws { try lock.withLock { if isChanged { try writeChanges() } } }

  private func writeChanges() throws {
    try manifest.write()
    (isChanged, sinceWritten) = (false, Stopwatch())
  }
}
