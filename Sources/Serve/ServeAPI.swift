import Foundation
import Restormer

/// The answers of the HTTP API that `openapi.json` describes.
struct ServeAPI {
  let options: ServeOptions
  let engine: any ImageEngine
  let store: JobStore
  let metrics: ServeMetrics
  let version: String
  private let checking = NSLock()

  init(
    options: ServeOptions, engine: any ImageEngine, store: JobStore, metrics: ServeMetrics,
    version: String
  ) {
    (self.options, self.engine, self.store) = (options, engine, store)
    (self.metrics, self.version) = (metrics, version)
  }

  /// The answer to a request.
  /// - Parameter readBody: reads the request's body piece by piece; called by what wants one.
  /// - Throws: `HTTPFault` for what cannot be answered otherwise.
  func respond(
    to request: HTTPRequest, readBody: ((_ take: ([UInt8]) throws -> Void) throws -> Void)
  ) throws -> HTTPResponse {
    let path = request.path.parts(between: "/")
    let isReading = request.method == "GET" || request.method == "HEAD"
    switch (path.dropFirst().count, path[1], isReading ? "GET" : request.method) {
    case (1, _, "GET"): if let page = try page(path[1]) { return page }
    case (2, "api", "GET"): if let answer = try about(path[2]) { return answer }
    case (2, "api", "POST") where path[2] == "jobs": return try submit(request, readBody)
    case (3, "api", "GET"), (4, "api", "GET"):
      let part = path.count > 4 ? path[4] : ""
      if let answer = try read(path[2], path[3], part, request.query) { return answer }
    case (3, "api", "DELETE"):
      if let answer = try delete(path[2], path[3]) { return answer }
    default: break
    }
    guard ["GET", "HEAD", "POST", "DELETE"].contains(request.method) else {
      throw HTTPFault(allowed: methods(of: path.dropFirst().map { $0 }))
    }
    throw HTTPFault(.notFound, "nothing is here; /api/openapi.json lists what there is")
  }

  /// What may be done with a path: jobs are handed in, each may be deleted, all else is read.
  private func methods(of path: [String]) -> [String] {
    if path == ["api", "jobs"] { return ["POST"] }
    let isJob = path.count == 3 && path.starts(with: ["api", "jobs"])
    return ["GET", "HEAD"] + (isJob ? ["DELETE"] : [])
  }

  // MARK: The server itself

  private func page(_ name: String) throws -> HTTPResponse? {
    switch name {
    case "": HTTPResponse(ServePage.html, type: "text/html; charset=utf-8")
    case "page.css": HTTPResponse(ServePage.style, type: "text/css; charset=utf-8")
    case "page.js": HTTPResponse(ServePage.script, type: "text/javascript; charset=utf-8")
    case "health": try HTTPResponse(json: health)
    case "metrics":
      HTTPResponse(metrics.text(store.numbers), type: "text/plain; version=0.0.4; charset=utf-8")
    default: nil
    }
  }

  private struct Health: Encodable {
    let status = "ok"
    let version: String
    let device: String
    let queued: Int
    let running: Int
  }

  private var health: Health {
    let numbers = store.numbers
    return Health(
      version: version, device: engine.device, queued: numbers.queued, running: numbers.running)
  }

  private struct Offer: Encodable {
    let models: [OfferedModel]
    let mostBytes: Int
    let mostPixels: Int
    let keepSeconds: Double
  }

  private func about(_ name: String) throws -> HTTPResponse? {
    switch name {
    case "openapi.json": HTTPResponse(ServePage.description, type: "application/json")
    case "models":
      try HTTPResponse(
        json: Offer(
          models: engine.models, mostBytes: options.mostBytes, mostPixels: options.mostPixels,
          keepSeconds: options.keepSeconds))
    default: nil
    }
  }

  // MARK: Jobs

  private func submit(
    _ request: HTTPRequest, _ readBody: (_ take: ([UInt8]) throws -> Void) throws -> Void
  ) throws -> HTTPResponse {
    let wanted = try JobRequest(request.query, models: engine.models)
    let batch = try batchName(request.query["batch"])
    try checkType(request)
    if case .length(let length) = request.body { try checkSize(length) }
    try store.checkRoomForJob()
    var source = Data()
    do {
      try readBody { piece in
        try checkSize(source.count + piece.count)
        try store.reserve(piece.count)
        source.append(contentsOf: piece)
      }
      let header = try checked(source)
      let name = Job.plainName(request.query["name"] ?? "image")
      let job = Job(batch: batch, name: name, request: wanted, source: source, header: header)
      let status = try store.submit(job)
      var response = try HTTPResponse(json: status, status: .created)
      response.headers["Location"] = "/api/jobs/\(status.id)"
      return response
    } catch {
      store.release(source.count)
      throw error
    }
  }

  /// Other types a page of any site may send without asking first.
  private func checkType(_ request: HTTPRequest) throws {
    let type = request.headers["content-type"]?.prefix { $0 != ";" }.lowercased() ?? ""
    let images = ImageFormat.readable.map { "image/\($0.rawValue)" }
    guard (images + ["application/octet-stream"]).contains(type) else {
      throw HTTPFault(
        .unsupportedMediaType,
        "Content-Type '\(type)': expected \(images.joined(separator: ", ")) or "
          + "application/octet-stream, and the file as the body")
    }
  }

  private func checkSize(_ count: Int) throws {
    guard count <= options.mostBytes else {
      throw HTTPFault(.contentTooLarge, "the file exceeds \(options.mostBytes) bytes")
    }
  }

  /// The header of a file that can be decoded to its end. Its pixels are counted before any is
  /// decoded, and one file is decoded at a time.
  private func checked(_ file: Data) throws -> ImageHeader {
    do {
      return try file.withUnsafeBytes { bytes in
        let header = try Image.header(of: bytes)
        guard header.width * header.height <= options.mostPixels else {
          throw HTTPFault(
            .contentTooLarge,
            "\(header.width) x \(header.height) pixels: at most \(options.mostPixels) are taken")
        }
        try checking.withLock {
          // Many may have waited for their turn, and are not to delay the end.
          try store.checkIsOpen()
          _ = try Bitmap(bytes: bytes)
        }
        return header
      }
    } catch let error as ImageError {
      throw HTTPFault(.unprocessableContent, error.description)
    }
  }

  private func batchName(_ name: String?) throws -> String {
    guard let name else { return Job.newID() }
    guard (16...64).contains(name.utf8.count),
      name.utf8.allSatisfy({
        (48...57).contains($0) || (97...122).contains($0 | 32) || $0 == UInt8(ascii: "-")
      })
    else {
      throw HTTPFault(.badRequest, "batch: expected 16 to 64 letters, digits or hyphens")
    }
    return name
  }

  private func read(
    _ kind: String, _ id: String, _ part: String, _ query: [String: String]
  ) throws -> HTTPResponse? {
    switch (kind, part) {
    case ("jobs", ""): return try HTTPResponse(json: store.status(id))
    case ("jobs", "source"):
      let source = try store.source(id)
      guard let wanted = query["format"] else {
        return file(source.data, source.format, source.name)
      }
      guard wanted == "png" else {
        throw HTTPFault(.badRequest, "format=\(wanted): expected png, or none for the upload")
      }
      return file(try picture(id, source.data), .png, source.name)
    case ("jobs", "result"):
      let result = try store.result(id)
      return file(result.image.data, result.image.format, result.name)
    case ("jobs", "events"):
      _ = try store.status(id)
      return events(untilFinal: id) { $0.id == id }
    case ("batches", ""): return try HTTPResponse(json: store.batch(id))
    case ("batches", "results.zip"):
      let results = store.results(batch: id)
      guard !results.isEmpty else { throw HTTPFault(.notFound, "no result is there") }
      var response = HTTPResponse(Data(), type: "application/zip")
      response.body = .parts(try StoredZip.parts(results))
      response.headers["Content-Disposition"] = "attachment; filename=\"restored.zip\""
      return response
    case ("batches", "events"): return events(untilFinal: nil) { $0.batch == id }
    default: return nil
    }
  }

  /// The upload as every browser can show it, made once, and one at a time.
  private func picture(_ id: String, _ file: Data) throws -> Data {
    try checking.withLock {
      try store.checkIsOpen()
      if let known = try store.picture(id) { return known }
      let made = try file.withUnsafeBytes { Data(try Bitmap(bytes: $0).encode(format: .png)) }
      try store.keep(made, asPictureOf: id)
      return made
    }
  }

  private func delete(_ kind: String, _ id: String) throws -> HTTPResponse? {
    switch kind {
    case "jobs": try store.forget(id)
    case "batches": store.forget(batch: id)
    default: return nil
    }
    return HTTPResponse(.noContent)
  }

  private func file(_ data: Data, _ format: ImageFormat, _ name: String) -> HTTPResponse {
    var response = HTTPResponse(data, type: "image/\(format.rawValue)")
    let letters = CharacterSet.alphanumerics.intersection(
      CharacterSet(charactersIn: "\0"..."\u{7f}"))
    let encoded =
      name.addingPercentEncoding(withAllowedCharacters: letters.union(.init(charactersIn: ".-_")))
      ?? "image"
    response.headers["Content-Disposition"] = "attachment; filename*=UTF-8''\(encoded)"
    return response
  }

  /// News of jobs as server-sent events: first how they are, then every change.
  /// - Parameter id: the job with whose end the news end; nil for news that go on until the client
  ///   leaves.
  private func events(
    untilFinal id: String?, of isWanted: @escaping (Job) -> Bool
  ) -> HTTPResponse {
    var response = HTTPResponse("", type: "text/event-stream; charset=utf-8")
    let store = store
    response.body = .stream { send in
      var (version, goesOn) = (0, true)
      while goesOn {
        let news = store.news(since: version, seconds: 10, of: isWanted)
        (version, goesOn) = (news.version, news.goesOn)
        // A line of comment finds out whether anybody still listens.
        if news.changed.isEmpty { try send(": waiting\n\n") }
        for status in news.changed {
          try send("event: job\ndata: \(String(decoding: JSON.encode(status), as: UTF8.self))\n\n")
          if status.id == id, status.state.isFinal { return }
        }
        if let id, (try? store.status(id)) == nil {
          return try send("event: forgotten\ndata: {\"id\":\"\(id)\"}\n\n")
        }
      }
    }
    return response
  }
}

extension JobRequest {
  private static let names: Set = ["name", "batch", "model", "format", "tta", "even-sharp"]

  /// Reads the parameters of a submission.
  /// - Throws: `HTTPFault` naming what is wrong.
  init(_ query: [String: String], models: [OfferedModel]) throws {
    if let unknown = query.keys.filter({ !Self.names.contains($0) }).min() {
      throw HTTPFault(
        .badRequest,
        "parameter \(unknown): expected one of \(Self.names.sorted().joined(separator: ", "))")
    }
    model = query["model"] ?? models[0].name
    guard models.contains(where: { $0.name == model }) else {
      let known = models.map(\.name).joined(separator: ", ")
      throw HTTPFault(.badRequest, "model \(model): expected one of \(known)")
    }
    if let format = query["format"], format != "same" {
      guard let known = ImageFormat(pathExtension: format), ImageFormat.writable.contains(known)
      else {
        throw HTTPFault(.badRequest, "format \(format): expected png, jpeg or same")
      }
      self.format = known
    }
    func flag(_ name: String) throws -> Bool {
      guard let value = query[name] else { return false }
      guard ["0", "1", "true", "false", ""].contains(value) else {
        throw HTTPFault(.badRequest, "\(name) \(value): expected true or false")
      }
      return value != "0" && value != "false"
    }
    (ensemble, evenSharp) = (try flag("tta"), try flag("even-sharp"))
  }
}
