import Foundation

/// A self-contained HTML page that shows images before and after restoring, with their scores, the
/// worst first.
///
/// Pictures are part of the file, which is opened from disk and asks the network for nothing. It is
/// kept below a limit: of a large batch, pictures are shown as JPEG or smaller, as the page then
/// says; scores are always of whole images.
package struct ComparisonReport {
  private let title: String
  private let source: String
  private let border: Int
  private let limit: Int
  private var expected: Int
  private var size = 0
  private var entries: [Entry] = []

  /// Bytes that a page has at most by default.
  package static let defaultLimit = 64_000_000
  private static let thumbnailSide = 96

  /// An empty report.
  ///
  /// - Parameters:
  ///   - title: the heading.
  ///   - source: where the images come from, in a few words.
  ///   - count: how many images will be added; they share the limit.
  ///   - border: pixels on every side that are not scored.
  ///   - limit: bytes of the page.
  package init(
    title: String, source: String, count: Int, border: Int = 0, limit: Int = defaultLimit
  ) {
    (self.title, self.source, self.border, self.limit) = (title, source, border, limit)
    expected = count
  }

  /// Images so far.
  package var count: Int { entries.count }

  /// Adds an image; the views must be those that the first one has.
  /// - Throws: `MetricsError` for views of different size and images too small to be scored;
  ///   `ImageError`.
  package mutating func add(_ name: String, _ given: ReportViews) throws {
    defer { expected -= 1 }
    let item = try PageItem(name, given, border: border, thumbnailSide: Self.thumbnailSide)
    let named = given.named
    // A page takes four characters for three bytes; what one image does not need is left to the
    // others.
    let share = (limit - size) / max(1, expected) * 3 / 4
    let encoded = try EncodedViews(named.map(\.image), limit: max(0, share))
    let entry = Entry(
      item: item.shown(as: encoded), views: named.map(\.name), format: encoded.format,
      files: encoded.files.map { Data($0) })
    size += entry.files.reduce(0) { $0 + ($1.count + 2) / 3 * 4 }
    entries.append(entry)
  }

  /// One image of a page, as it can be handed to another process.
  package struct Entry: Codable {
    let item: PageItem
    let views: [String]
    let format: ImageFormat
    let files: [Data]
  }

  /// The images, in the order in which they were added.
  package var content: [Entry] {
    get { entries }
    set { entries = newValue }
  }

  /// The means over all images, where there are targets.
  package var means: (before: Scores?, after: Scores)? {
    let after = entries.compactMap(\.item.afterScores)
    guard !after.isEmpty else { return nil }
    let before = entries.compactMap(\.item.beforeScores)
    return (before.isEmpty ? nil : Scores(meanOf: before), Scores(meanOf: after))
  }

  /// The page.
  package var html: [UInt8] {
    let page = Page(
      source: source, notes: notes, views: entries.last?.views ?? [], items: entries.map(\.item))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Numbers are finite, texts are texts: there is nothing that could not be encoded.
    let data = (try? encoder.encode(page)) ?? Data("{}".utf8)
    return ReportPage.html(
      title: title, images: images, data: String(decoding: data, as: UTF8.self))
  }

  /// The elements with the pictures.
  private var images: [UInt8] {
    entries.enumerated().flatMap { index, entry in
      zip(entry.views, entry.files).flatMap { view, file in
        Array(ReportPage.imageElement("image-\(index)-\(view)", entry.format, file).utf8)
      }
    }
  }

  /// Writes the page, whole or not at all, and says how many bytes it has.
  /// - Throws: `FileError`.
  package func write(to path: String) throws -> Int {
    let page = html
    try writeAtomically(page, to: path)
    return page.count
  }

  /// - Throws: `FileError` when no page can be written at `path`; nothing is left there.
  package static func checkWritable(_ path: String) throws {
    _ = try AtomicFile(path: path)
  }

  private var notes: [String] {
    let items = entries.map(\.item)
    let (lossy, smaller) = (items.filter(\.isLossy).count, items.filter { $0.shown != nil }.count)
    guard lossy > 0 else { return [] }
    let how = smaller > 0 ? "as JPEG, \(smaller) of them smaller than they are," : "as JPEG"
    return [
      "\(lossy) of \(items.count) images are shown \(how) to keep this page below "
        + "\(limit / 1_000_000) MB; scores are of the images themselves."
    ]
  }
}

/// What the page's script reads.
private struct Page: Encodable {
  let source: String
  let notes: [String]
  let views: [String]
  let items: [PageItem]
}

/// One image of the page.
struct PageItem: Codable {
  let name: String
  let width: Int
  let height: Int
  var before: PageScores?
  var after: PageScores?
  /// The mean absolute difference of before and after.
  var difference: Double?
  let thumbnail: String
  var shown: [Int]?
  var isLossy = false

  var beforeScores: Scores? { before?.scores }
  var afterScores: Scores? { after?.scores }

  init(_ name: String, _ views: ReportViews, border: Int, thumbnailSide: Int) throws {
    self.name = name
    (width, height) = (views.after.width, views.after.height)
    thumbnail = ReportPage.dataURI(.jpeg, Data(try views.after.thumbnail(side: thumbnailSide)))
    difference = try views.before.map { try Metrics.l1($0, views.after, border: border) }
    if let target = views.target {
      before = try views.before.map { image in
        PageScores(try Scores(image, against: target, border: border))
      }
      after = PageScores(try Scores(views.after, against: target, border: border))
    }
  }

  func shown(as encoded: EncodedViews) -> PageItem {
    var copy = self
    copy.shown = encoded.shown.map { [$0.width, $0.height] }
    copy.isLossy = encoded.format == .jpeg
    return copy
  }
}

/// Scores in JSON, which has no infinity: the PSNR of equal images is left away.
struct PageScores: Codable {
  let psnr: Double?
  let ssim: Double
  let l1: Double
  let l2: Double

  init(_ scores: Scores) {
    psnr = scores.psnr.isFinite ? scores.psnr : nil
    (ssim, l1, l2) = (scores.ssim, scores.l1, scores.l2)
  }

  var scores: Scores { Scores(psnr: psnr ?? .infinity, ssim: ssim, l1: l1, l2: l2) }
}
