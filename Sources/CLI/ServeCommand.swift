import ArgumentParser
import Foundation
import Restormer
import Serve

/// `restormer serve`: a page in the browser, and an HTTP API, in front of the device.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Restores images in the browser, or for programs over HTTP.",
    discussion: """
      Example: restormer serve

      Then open http://127.0.0.1:8080/ and drop images on the page.

      Images stay in the memory of this machine: nothing is written to disk, and all is forgotten \
      on exit. Only this machine can reach the server unless --address names another address, and \
      then everybody has to know --token. GET /api/openapi.json describes the API.
      """)

  @Option(name: .long, help: "Numeric address to listen at.")
  var address = ServeOptions().address

  @Option(name: .shortAndLong, within: 0...65_535, help: "Port to listen at; 0 takes a free one.")
  var port = ServeOptions().port

  @Option(
    name: .long,
    help: """
      Secret that every request must bring, at least 12 characters; RESTORMER_TOKEN does not show \
      in lists of processes.
      """)
  var token: String?

  @Option(
    name: .long, help: "Name under which browsers may reach the server; may be given repeatedly.")
  var allowHost: [String] = []

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: "Weights to offer, a file or a bundled model; may be given repeatedly, the first leads.")
  var models: [String] = []

  @OptionGroup var device: DeviceOptions

  @OptionGroup var storage: PrecisionOptions

  @Option(within: 1...1_000_000, help: "MB of one upload at most.")
  var maxUpload = ServeOptions().mostBytes >> 20

  @Option(within: 1...1_000_000, help: "Megapixels of one image at most.")
  var maxPixels = ServeOptions().mostPixels / 1_000_000

  @Option(within: 1...1_000_000, help: "Jobs at most, waiting and finished together.")
  var maxJobs = ServeOptions().mostJobs

  @Option(within: 1...1_000_000, help: "MB of all uploads and results at most.")
  var maxMemory = ServeOptions().mostMemory >> 20

  @Option(within: 1...1_000_000, help: "Connections at once at most.")
  var maxConnections = ServeOptions().mostConnections

  @Option(within: 1...1_000_000, help: "Seconds that one image may take.")
  var maxSeconds = Int(ServeOptions().mostJobSeconds)

  @Option(within: 1...1_000_000, help: "Seconds after which results are forgotten.")
  var keep = Int(ServeOptions().keepSeconds)

  func validate() throws {
    do { try options.check() } catch { throw ValidationError(error.description) }
  }

  func run() throws {
    let offered = try (models.isEmpty ? BundledModel.names : models).map(Self.offer)
    let opened = try device.open()
    let server = try ImageServer(
      options,
      engine: try RestoreEngine(on: opened, models: offered, precision: storage.precision),
      version: RestormerCommand.configuration.version)
    let stopping = InterruptFlag(
      "stopping (once more to leave at once)", onRequest: { server.stop() })
    Console.note("device: \(opened.name)")
    let login = options.token == nil ? "" : "?token=TOKEN"
    Console.note("open \(server.url)\(login)  (Ctrl-C stops; nothing is kept)")
    server.run()
    // The device may still be at work on an image that nobody waits for.
    withExtendedLifetime(stopping) { _exit(EXIT_SUCCESS) }
  }

  private var options: ServeOptions {
    var options = ServeOptions()
    (options.address, options.port, options.hosts) = (address, port, allowHost)
    let variable = ProcessInfo.processInfo.environment["RESTORMER_TOKEN"] ?? ""
    options.token = token ?? (variable.isEmpty ? nil : variable)
    (options.mostBytes, options.mostPixels) = (maxUpload << 20, maxPixels * 1_000_000)
    (options.mostJobs, options.mostMemory) = (maxJobs, maxMemory << 20)
    (options.mostConnections, options.mostJobSeconds) = (maxConnections, Double(maxSeconds))
    options.keepSeconds = Double(keep)
    return options
  }

  private static func offer(
    _ name: String
  ) throws -> (name: String, purpose: String, weights: ModelWeights) {
    if let model = try BundledModel(named: name) {
      return (model.name, model.purpose, model.weights)
    }
    let chosen = try ChosenModel(name, key: nil)
    let file = ((name as NSString).lastPathComponent as NSString).deletingPathExtension
    let purpose = chosen.weights.metadata["purpose"] ?? chosen.weights.model.configuration.summary
    return (file, purpose, chosen.weights)
  }
}
