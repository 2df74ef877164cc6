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

  @Flag(name: .long, help: "Print the list as JSON.")
  var json = false

  func run() throws {
    let list = DeviceList()
    for error in list.errors { Console.warn(error) }
    let request = options.request
    let chosen = Result { try list.candidates(for: request).first }
    if json {
      try Console.printJSON(
        list.devices.enumerated().map { index, device in
          DeviceRow(device, number: index, isChosen: device.isSame(as: try? chosen.get()))
        })
      _ = try chosen.get()
      return
    }
    var table = TextTable([
      "", "#", "name", "type", "vendor", "driver", "memory", "max alloc", "units",
    ])
    for (index, device) in list.devices.enumerated() {
      let row = DeviceRow(device, number: index, isChosen: device.isSame(as: try? chosen.get()))
      table.add(row.columns)
    }
    for line in table.lines { Console.print(line) }
    // A wrong request must not hide the list that would correct it.
    _ = try chosen.get()
    Console.print("* is what '\(request)' takes")
    for (index, device) in list.devices.enumerated() {
      if let caution = device.caution { Console.print("\(index): \(caution)") }
    }
    guard request == "auto" else { return }
    for (index, device) in list.devices.enumerated() where device.sharesCores {
      Console.print(
        "\(index) computes on the same cores as the CPU backend: \(reason(device, index))")
    }
  }

  /// Why `auto` takes the one or the other.
  private func reason(_ device: ComputeDevice, _ number: Int) -> String {
    guard let time = device.timeBesideCPUBackend else {
      return "'auto' would take it if it were known to be faster; "
        + "restormer bench --tune -d \(number) measures that"
    }
    return "it was measured to take \(time.summary) of its time"
  }
}

/// What is told of a device; memory in bytes.
private struct DeviceRow: Encodable {
  let number: Int
  let chosen: Bool
  let name: String
  let type: String
  let vendor: String
  let driver: String
  let memory: Int
  let maxAllocation: Int
  let units: Int
  /// Time as a share of the CPU backend's, where it was measured.
  let restoringTime: Double?
  let trainingTime: Double?
  /// What to know before computing there.
  let caution: String?

  init(_ device: ComputeDevice, number: Int, isChosen: Bool) {
    (self.number, chosen, caution) = (number, isChosen, device.caution)
    let time = device.timeBesideCPUBackend
    (restoringTime, trainingTime) = (time?.restoring, time?.training)
    switch device {
    case .openCL(let device):
      (name, type, vendor) = (device.name, "OpenCL \(device.kind)", device.vendor)
      driver = "\(device.driverVersion) (\(device.platformName))"
      (memory, maxAllocation) = (device.globalMemory, device.maxAllocation)
      units = device.computeUnits
    case .cpu:
      (name, type, vendor) = ("CPU backend", "built in", "restormer")
      driver = "none needed (\(CPUBackend().instructions))"
      (memory, maxAllocation) = (HostMemory.available, HostMemory.available)
      units = CPUBackend.coreCount
    }
  }

  var columns: [String] {
    [
      chosen ? "*" : "", String(number), name, type, vendor, driver, gigabytes(memory),
      gigabytes(maxAllocation), String(units),
    ]
  }
}
