import ArgumentParser
import CLBackend
import Kernels
import Restormer

/// `restormer devices`: what there is to compute on.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "Lists every OpenCL device and the CPU backend, and which one 'auto' takes.",
    discussion: "Example: restormer devices")

  @OptionGroup var options: DeviceOptions

  func run() throws {
    let list = DeviceList()
    for error in list.errors { Console.warn(error) }
    let request = options.request
    let chosen = Result { try list.candidates(for: request).first }
    var table = TextTable([
      "", "#", "name", "type", "vendor", "driver", "memory", "max alloc", "units",
    ])
    for (index, device) in list.devices.enumerated() {
      let mark = device.isSame(as: try? chosen.get()) ? "*" : ""
      table.add([mark, String(index)] + Self.columns(device))
    }
    for line in table.lines { Console.print(line) }
    // A wrong request must not hide the list that would correct it.
    _ = try chosen.get()
    Console.print("* is what '\(request)' takes")
  }

  private static func columns(_ device: ComputeDevice) -> [String] {
    switch device {
    case .openCL(let device):
      [
        device.name, "OpenCL \(device.kind)", device.vendor,
        "\(device.driverVersion) (\(device.platformName))", gigabytes(device.globalMemory),
        gigabytes(device.maxAllocation), String(device.computeUnits),
      ]
    case .cpu:
      [
        "CPU backend", "built in", "restormer", "none needed",
        gigabytes(HostMemory.available), gigabytes(HostMemory.available),
        String(CPUBackend.coreCount),
      ]
    }
  }
}
