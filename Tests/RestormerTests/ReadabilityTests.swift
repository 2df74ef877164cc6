import Foundation
import Restormer
import XCTest

/// Mistakes of texts, counted, and tesseract's place taken by scripts.
final class ReadabilityTests: XCTestCase {
  private var scratch: ImageScratch!
  private let path = ProcessInfo.processInfo.environment["PATH"] ?? ""

  override func setUpWithError() throws { scratch = try ImageScratch() }
  override func tearDown() {
    setenv("PATH", path, 1)
    scratch = nil
  }

  func testMistakesAreCounted() {
    for (text, reference, errors) in [
      ("the quick brown", "the quick brown", [0, 15, 0, 3]),
      ("the quick brawn", "the quick brown", [1, 15, 1, 3]),
      ("the quickbrown", "the quick brown", [1, 15, 2, 3]),
      ("quick brown", "the quick brown", [4, 15, 1, 3]),
      ("\n the\tquick \u{C} brown\n\n", "the quick brown", [0, 15, 0, 3]),
      ("", "ab cd", [5, 5, 2, 2]), ("ab", "", [2, 0, 1, 0]), ("", "", [0, 0, 0, 0]),
      ("kitten", "sitting", [3, 7, 1, 1]),
      // An accent of its own and one with its letter are the same text.
      ("cafe\u{301}", "caf\u{E9}", [0, 4, 0, 1]),
    ] {
      let found = TextErrors(text, against: reference)
      XCTAssertEqual(
        [found.characterErrors, found.characters, found.wordErrors, found.words], errors, text)
    }
    XCTAssertEqual(TextErrors("ab", against: "").characterRate, .infinity)
    XCTAssertEqual(TextErrors("", against: "").wordRate, 0)
  }

  /// Rates of several texts are those of all their characters, not means of means.
  func testErrorsAddUp() {
    let sum = TextErrors("b", against: "a") + TextErrors("aaaaaaaaa", against: "aaaaaaaaa")
    XCTAssertEqual(sum.characterRate, 0.1, accuracy: 1e-12)
    XCTAssertEqual(sum.wordRate, 0.5, accuracy: 1e-12)
  }

  /// The recursion of the definition on all short words.
  func testDistancesAreTheSmallest() {
    func distance(_ a: ArraySlice<Character>, _ b: ArraySlice<Character>) -> Int {
      guard let x = a.first, let y = b.first else { return a.count + b.count }
      let (p, q) = (a.dropFirst(), b.dropFirst())
      return min(distance(p, b) + 1, distance(a, q) + 1, distance(p, q) + (x == y ? 0 : 1))
    }
    var words = [""]
    for length in 1...4 {
      words += words.filter { $0.count == length - 1 }.flatMap { [$0 + "a", $0 + "b"] }
    }
    for a in words {
      for b in words + ["bcab", "cca"] {
        XCTAssertEqual(
          TextErrors(a, against: b).characterErrors, distance(Array(a)[...], Array(b)[...]),
          "\(a), \(b)")
      }
    }
  }

  /// Puts a script in tesseract's place.
  private func install(_ script: String, as name: String = "tesseract") throws {
    let file = try scratch.write(Array("#!/bin/bash\n\(script)\n".utf8), name)
    chmod(file, 0o755)
    setenv("PATH", "\(scratch.path):/usr/bin:/bin", 1)
  }

  private func image(_ width: Int) -> Image {
    Image(width: width, height: 12, channels: 1, pixels: [Float](repeating: 1, count: 12 * width))
  }

  /// What each run is given, and that the texts come in the order of the pages however long each
  /// takes.
  func testEveryPageIsReadOnceAndInOrder() throws {
    try install(
      """
      size=$(od -An -tu1 -j19 -N1 "$1" | tr -d ' ')
      [ $size = 12 ] && sleep 0.3
      shift
      echo "page of $size: $* $OMP_THREAD_LIMIT"
      """)
    let reader = try TextReader(language: "deu+eng", layout: 6)
    let pages = try (12..<24).map { try reader.page(image($0), from: "page") }
    XCTAssertEqual(
      try reader.texts(of: pages),
      (12..<24).map { "page of \($0): stdout -l deu+eng --psm 6 1\n" })
  }

  func testFaultsOfTesseractAreToldInItsWords() throws {
    func fault(_ script: String, patience: Double = 60) throws -> String {
      try install(script)
      let reader = try TextReader(patience: patience)
      let pages = try [
        reader.page(image(12), from: "b.png"), reader.page(image(13), from: "c.png"),
      ]
      var text = ""
      XCTAssertThrowsError(try reader.texts(of: pages)) { text = "\($0)" }
      XCTAssertFalse(text.contains("\n"), text)
      return text
    }
    XCTAssertEqual(
      try fault("echo Estimating >&2; echo 'Error opening data file x' >&2; echo Bye >&2; exit 1"),
      "tesseract: b.png: exit code 1: Error opening data file x")
    XCTAssertEqual(try fault("exit 7"), "tesseract: b.png: exit code 7")
    XCTAssertEqual(try fault("kill -9 $$"), "tesseract: b.png: killed by signal 9")
    XCTAssertEqual(
      try fault("trap '' TERM INT; while :; do sleep 0.05; done", patience: 0.3),
      "tesseract: b.png: not done after 0.3 s, ended")
    setenv("PATH", scratch.path + "/nowhere", 1)
    XCTAssertThrowsError(try TextReader()) {
      XCTAssertTrue("\($0)".contains("tesseract: not installed"), "\($0)")
    }
  }

  /// More than a pipe holds, on both ways out.
  func testLongTextsComeWhole() throws {
    try install("printf 'word %.0s' {1..60000}; printf 'note %.0s' {1..60000} >&2")
    let reader = try TextReader()
    let text = try reader.texts(of: [reader.page(image(12), from: "a.png")])[0]
    XCTAssertEqual(text.split(separator: " ").count, 60000)
  }
}
