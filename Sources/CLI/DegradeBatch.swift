import Foundation
import Kernels
import Restormer

/// The pages that pairs are made from, and what cannot be used, one line each.
struct DegradeBatch {
  let pages: [CleanPage]
  let faults: [String]
  private let writer: PairFolderWriter

  /// Looks for the pages of files and folders, and for pairs of theirs that are there already.
  init(_ inputs: [String], writer: PairFolderWriter, overwrite: Bool) {
    self.writer = writer
    var (pages, faults) = ([CleanPage](), [String]())
    var taken: [[UInt8]: String] = [:]
    let found = InputFiles(inputs, pdf: true)
    found.noteWhatIsLeftOut()
    for file in found.files {
      do {
        if let fault = file.fault { throw RestoreFailure(description: "\(file.path): \(fault)") }
        for page in try CleanPage.list(file.path) {
          let names = writer.names(of: page)
          let fault = Self.fault(of: page, names, taken, writer, overwrite)
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

  private static func fault(
    of page: CleanPage, _ names: [String], _ taken: [[UInt8]: String], _ writer: PairFolderWriter,
    _ overwrite: Bool
  ) -> String? {
    if let other = names.compactMap({ taken[Array($0.utf8)] }).first {
      return "its pairs would replace those of \(other)"
    }
    let files = names.flatMap { [writer.files($0).input, writer.files($0).target] }
    if files.contains(where: { isSameFile($0, page.path) }) {
      return "its pairs would replace the page itself"
    }
    if !overwrite, let file = files.first(where: { FileKind($0) != nil }) {
      return "\(file) exists (--overwrite replaces it)"
    }
    return nil
  }

  private static func isSameFile(_ a: String, _ b: String) -> Bool {
    FileIdentity(a).map { $0 == FileIdentity(b) } ?? false
  }

  /// Makes the pairs of all pages, several pages at a time.
  func run() -> [Result<[DegradationManifest.Entry], any Error>] {
    let progress = SharedProgress(count: pages.count)
    let interrupt = InterruptFlag("leaving after these pages (once more to leave at once)")
    let outcomes = concurrently(pages, workers: workers) { page in
      let outcome = Result {
        if interrupt.isSet { throw RestoreFailure(description: "\(page): interrupted") }
        try checkMemory(page)
        return try writer.write(page)
      }
      progress.finish("\(page)")
      return outcome
    }
    progress.clear()
    return outcomes
  }

  /// As many as the cores can work on and the memory holds.
  private var workers: Int {
    let largest = pages.map(memoryNeed).max() ?? 1
    return max(
      1, min(ProcessInfo.processInfo.activeProcessorCount, HostMemory.available / 2 / largest))
  }

  private func checkMemory(_ page: CleanPage) throws {
    let (need, free) = (memoryNeed(page), HostMemory.available)
    guard need <= free else {
      throw RestoreFailure(
        description:
          "\(page): needs about \(gigabytes(need)) of memory, \(gigabytes(free)) are free")
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
