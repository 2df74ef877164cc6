import Kernels
import TestSupport
import XCTest

/// Local statistics against their definition: attention in each window by itself, results averaged
/// over the windows.
final class LocalAttentionTests: XCTestCase {
  func testAgainstDefinition() throws {
    for (heads, qkv, height, width) in [
      (1, Shape(1, 9, 13, 17), 8, 8), (2, Shape(2, 12, 7, 5), 3, 4), (1, Shape(1, 6, 1, 1), 4, 4),
      (2, Shape(1, 24, 30, 9), 7, 9), (1, Shape(1, 36, 9, 33), 9, 32),
      (4, Shape(1, 24, 12, 12), 5, 5),
      (1, Shape(1, 90, 24, 41), 16, 16), (1, Shape(1, 6, 8, 10), 1, 1),
    ] {
      let graph = Graph()
      let inputs = [graph.placeholder(qkv), graph.placeholder(.vector(heads))]
      let y = graph.localAttention(
        inputs[0], temperature: inputs[1], heads: heads, window: (height, width))
      let values = OpCase(Fill(0, .scalar), [qkv, .vector(heads)], [.symmetric, .positive])
        .randomInputs(seed: 5)
      let expected = Self.reference(
        values[0].map(Double.init), qkv, values[1].map(Double.init), height, width
      ).map { Float($0) }
      for (name, results) in try onEveryBackend(graph, Array(zip(inputs, values)), [y]) {
        XCTAssertLessThan(
          OpCheck.relativeError(results[0], expected), 1e-5,
          "\(name), \(heads) heads, \(qkv), windows of \(width)x\(height)")
      }
    }
  }

  /// Windows as large as the image are the plain network's attention.
  func testOneWindowIsTheWholeImage() throws {
    let (heads, qkv) = (2, Shape(1, 24, 9, 14))
    let graph = Graph()
    let inputs = [graph.placeholder(qkv), graph.placeholder(.vector(heads))]
    let local = graph.localAttention(
      inputs[0], temperature: inputs[1], heads: heads, window: (100, 14))
    let plain = graph.channelAttention(inputs[0], temperature: inputs[1], heads: heads)
    let values = OpCase(Fill(0, .scalar), [qkv, .vector(heads)], [.symmetric, .positive])
      .randomInputs(seed: 6)
    for (name, results) in try onEveryBackend(graph, Array(zip(inputs, values)), [local, plain]) {
      XCTAssertLessThan(OpCheck.relativeError(results[0], results[1]), 1e-5, name)
    }
  }

  /// Cells by their numbers against all starts and ends in order.
  func testCellsLieBetweenTheEdgesOfWindows() {
    for size in 1...60 {
      for window in 1...size + 1 {
        let axis = WindowAxis(size: size, window: window)
        let starts = Self.starts(size, min(size, window))
        let ends = starts.map { $0 + min(size, window) }
        let title = "windows of \(window) in \(size)"
        XCTAssertEqual((0..<axis.count).map(axis.start), starts, title)
        let cuts = Set(starts + ends).sorted()
        XCTAssertEqual((0...axis.cells).map(axis.cut), cuts, title)
        for (index, pair) in zip(starts, ends).enumerated() {
          XCTAssertEqual(cuts[axis.cells(of: index).lowerBound], pair.0, title)
          XCTAssertEqual(cuts[axis.cells(of: index).upperBound], pair.1, title)
        }
        for cell in 0..<axis.cells {
          let over = starts.indices.filter { starts[$0] <= cuts[cell] && cuts[cell] < ends[$0] }
          XCTAssertEqual(Array(axis.windows(over: cell)), over, title)
          XCTAssertEqual(axis.cells(over: cuts[cell]..<cuts[cell + 1]), cell..<cell + 1, title)
        }
      }
    }
  }

  /// The starts of the authors' windows along one side: steps of the rounded-up even spacing until
  /// the end is reached.
  private static func starts(_ size: Int, _ window: Int) -> [Int] {
    let wanted = (size + window - 1) / window
    let step =
      wanted == 1 ? window : Int((Double(size - window) / Double(wanted - 1)).rounded(.up))
    var starts: [Int] = []
    var next = 0
    while next + window < size {
      starts.append(next)
      next += step
    }
    return starts + [size - window]
  }

  private static func reference(
    _ qkv: [Double], _ shape: Shape, _ temperature: [Double], _ height: Int, _ width: Int
  ) -> [Double] {
    let (wide, high) = (min(width, shape.w), min(height, shape.h))
    let output = shape.channels(shape.c / 3)
    var sum = [Double](repeating: 0, count: output.count)
    var count = sum
    for top in starts(shape.h, high) {
      for left in starts(shape.w, wide) {
        let part = Shape(shape.n, shape.c, high, wide)
        var values = [Double](repeating: 0, count: part.count)
        for plane in 0..<shape.n * shape.c {
          for i in 0..<high * wide {
            values[plane * part.plane + i] =
              qkv[plane * shape.plane + (top + i / wide) * shape.w + left + i % wide]
          }
        }
        let y = AttentionReference(values, part, temperature).y
        for plane in 0..<shape.n * output.c {
          for i in 0..<high * wide {
            let place = plane * shape.plane + (top + i / wide) * shape.w + left + i % wide
            sum[place] += y[plane * part.plane + i]
            count[place] += 1
          }
        }
      }
    }
    return zip(sum, count).map { $0 / $1 }
  }
}
