import Kernels
import TestSupport

/// The values of `kept` after one run on the CPU, on the OpenCL device, and on that device with the
/// kernel shapes of a GPU; the device's runs are missing where there is none.
func onEveryBackend(
  _ graph: Graph, _ feeds: [(Tensor, [Float])], _ kept: [Tensor]
) throws -> [(name: String, results: [[Float]])] {
  var runs = [("CPU", try evaluate(graph, feeds, kept, on: CPUBackend()))]
  if let device = try? Device.shared() {
    runs.append(("OpenCL", try evaluate(graph, feeds, kept, on: device)))
    runs.append(("GPU shape", try evaluate(graph, feeds, kept, on: Device.gpuShaped())))
  }
  return runs
}
