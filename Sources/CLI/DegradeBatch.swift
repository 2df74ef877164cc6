import Basics
import Foundation
import Kernels
import Restormer

/// The pages that pairs are made from, and what cannot be used, one line each.
struct DegradeBatch {
  /// All pages, and those of this process.
  private let all: [CleanPage]
  private let pages: [(offset: Int, element: CleanPage)]
  let faults: [String]
  private let writer: PairFolderWriter
  private let overwrite: Bool
  private let share: FileShare

  /// Looks for the pages of files and folders.
  init(
    _ inputs: [String], writer: PairFolderWriter, overwrite: Bool, share: FileShare = .whole
  ) {
    (self.writer, self.overwrite, self.share) = (writer, overwrite, share)
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
    all = pages
    self.pages = pages.enumerated().filter { share.takes($0.offset) }
    // What cannot be used is the first process's to tell.
    self.faults = share.takes(0) || share.ranks != nil ? faults : []
  }

  /// Whether there is nothing to do, for any rank.
  var isEmpty: Bool { share.isShard ? pages.isEmpty : all.isEmpty }

  /// Pages that are worked on.
  var count: Int { share.isShard ? pages.count : all.count }

  /// The names of all their pairs.
  var names: [String] {
    (share.isShard ? pages.map(\.element) : all).flatMap(writer.names)
  }

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
    let record = SharedRecord(
      manifest, isKept: share.ranks?.isFirst ?? true,
      inTurnsOn: share.isShard ? "\(writer.folder)/target" : nil)
    let remarks = RemarkNotes()
    let interrupt = InterruptFlag("leaving after these pairs (once more to leave at once)")
    let faults = concurrently(pages, workers: workers) { number, page -> Numbered<String>? in
      let fault = fault(of: page, manifest, record, interrupt)
      progress.finish("\(page)")
      return fault.map { Numbered(number: number, value: $0) }
    }
    progress.clear()
    remarks.finish()
    try record.finish(share)
    let codes = try share.gathered(
      [interrupt.code].compactMap { $0 }.map { Numbered(number: share.number, value: $0) })
    return DegradeOutcome(
      pairs: try share.total(record.pairs), oldPairs: try share.total(record.oldPairs),
      faults: try share.gathered(faults.compactMap { $0 }), interruptCode: codes.first)
  }

  /// Makes the pairs of a page; why it cannot be done, in one line. Between two pairs a request to
  /// stop is heard.
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
    let largest = pages.map { memoryNeed($0.element) }.max() ?? 1
    return max(
      1, min(WorkerThreads.count, MemoryBudget.host.total / largest))
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

/// The record of made pairs, kept up by several threads: what it lacks when the program is killed
/// has to be made again.
private final class SharedRecord: @unchecked Sendable {
  private let lock = NSLock()
  private var manifest: DegradationManifest
  private var sinceWritten = Stopwatch()
  private var isChanged = false
  private let isKept: Bool
  private let sharedFolder: String?
  private var made: [DegradationManifest.Entry] = []
  private(set) var oldPairs = 0

  /// - Parameters:
  ///   - isKept: whether this process writes it, or hands it to the one that does.
  ///   - folder: what is locked while it is written, where other processes write it, too.
  init(_ manifest: DegradationManifest, isKept: Bool, inTurnsOn folder: String?) {
    (self.manifest, self.isKept, sharedFolder) = (manifest, isKept, folder)
  }

  var pairs: Int { lock.withLock { made.count } }

  func add(_ pair: DegradationManifest.Entry, wasThere: Bool) throws {
    try lock.withLock {
      manifest.add([pair])
      made.append(pair)
      oldPairs += wasThere ? 1 : 0
      isChanged = true
      if sinceWritten.seconds > 5 { try writeChanges() }
    }
  }

  /// Writes the record with what all ranks have made.
  func finish(_ share: FileShare) throws {
    let all = try share.gathered(made.map { Numbered(number: share.number, value: $0) })
    try lock.withLock {
      manifest.add(all)
      if isChanged || all.count > made.count { try writeChanges() }
    }
  }

  private func writeChanges() throws {
    if let sharedFolder {
      try manifest.write(inTurnsOn: sharedFolder)
    } else if isKept {
      try manifest.write()
    }
    (isChanged, sinceWritten) = (false, Stopwatch())
  }
}
