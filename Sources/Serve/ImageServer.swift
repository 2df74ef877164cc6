import Foundation

/// The server: a page and an HTTP API in front of one device. Nothing it is given ever touches the
/// disk.
public final class ImageServer: Sendable {
  /// Where a browser finds it.
  public let url: String

  private let listener: Listener
  private let gatekeeper: Gatekeeper
  private let api: ServeAPI

  /// Listens, but answers nobody before `run`.
  /// - Parameters:
  ///   - options: the address and the limits.
  ///   - engine: what restores.
  ///   - version: of the program, for `/health`.
  /// - Throws: `ServeError` for options that are unsafe and addresses that cannot be listened at.
  public init(
    _ options: ServeOptions, engine: any ImageEngine, version: String
  ) throws(ServeError) {
    try options.check()
    let patience = Connection.Patience(
      head: min(10, options.mostSilentSeconds), silence: options.mostSilentSeconds,
      body: options.mostTransferSeconds)
    listener = try Listener(
      SocketAddress(options.address, port: options.port),
      mostConnections: options.mostConnections, patience: patience)
    let host = options.address.contains(":") ? "[\(options.address)]" : options.address
    url = "http://\(host):\(listener.port)/"
    gatekeeper = Gatekeeper(options: options)
    api = ServeAPI(
      options: options, engine: engine, store: JobStore(options), metrics: ServeMetrics(),
      version: version)
  }

  /// Answers until `stop`, then waits until nobody is being answered any more.
  public func run() {
    let worker = Thread { [self] in work() }
    worker.stackSize = 8 << 20
    worker.start()
    listener.run { [self] in answer($0) }
  }

  /// Ends `run`: drops all jobs, uploads and results and ends every connection.
  public func stop() {
    api.store.stop()
    listener.stop()
  }

  /// Restores one job after the other.
  private func work() {
    while let job = api.store.next() {
      let outcome = Result {
        try api.engine.restore(job.source, job.request) { try api.store.advance(job, to: $0) }
      }
      api.store.finish(job, outcome)
    }
  }

  private func answer(_ connection: Connection) {
    var response: HTTPResponse
    var hasBody = true
    do {
      let request = try HTTPRequest(head: connection.readHead())
      hasBody = request.method != "HEAD"
      response = try respond(to: request, connection)
    } catch let fault as HTTPFault {
      response = HTTPResponse(fault)
    } catch is ConnectionLost {
      return
    } catch {
      response = HTTPResponse(HTTPFault(.internalServerError, "\(error)"))
    }
    api.metrics.count(response.status)
    guard (try? connection.send(response, withBody: hasBody)) != nil else { return }
    connection.finish()
  }

  private func respond(to request: HTTPRequest, _ connection: Connection) throws -> HTTPResponse {
    if gatekeeper.isLogin(request), let token = request.query["token"] {
      var response = HTTPResponse(.seeOther)
      response.headers = [
        "Location": "/",
        "Set-Cookie": "\(Gatekeeper.cookie)=\(token); Path=/; HttpOnly; SameSite=Strict",
      ]
      return response
    }
    try gatekeeper.admit(request)
    return try api.respond(to: request) { try connection.readBody(request, $0) }
  }
}
