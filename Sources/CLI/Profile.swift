import CLBackend
import Foundation
import Kernels

/// Prints where the device's time went: a line per kernel, the most expensive first.
func printProfile(_ opened: OpenedBackend) throws {
  guard case .openCL(let backend) = opened, let profiler = backend.context.profiler else {
    Console.note("--profile: the CPU backend has no kernels to time")
    return
  }
  let rows = try profiler.summary().sorted { $0.milliseconds > $1.milliseconds }
  let total = rows.reduce(0) { $0 + $1.milliseconds }
  var table = TextTable(["kernel", "count", "ms", "share", "GFLOP/s", "GB/s"])
  for row in rows {
    table.add([
      row.label, String(row.count), String(format: "%.2f", row.milliseconds),
      String(format: "%.1f%%", 100 * row.milliseconds / max(total, 1e-9)),
      // Norms, losses and moves have no multiply-adds to count.
      row.flops == 0 ? "-" : String(format: "%.1f", row.flops / max(row.milliseconds, 1e-9) / 1e6),
      String(format: "%.1f", row.bytes / max(row.milliseconds, 1e-9) / 1e6),
    ])
  }
  for line in table.lines { Console.print(line) }
  Console.print(String(format: "total %.2f ms on the device", total))
}
