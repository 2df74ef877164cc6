/// A request that is answered with an error: the status and one line for whoever sent it.
struct HTTPFault: Error {
  let status: HTTPStatus
  let reason: String
  /// Seconds after which another try may succeed.
  var retryAfter: Int?
  /// The methods that would have been answered, where the one used was not.
  var allowed: [String] = []

  init(_ status: HTTPStatus, _ reason: String, retryAfter: Int? = nil) {
    (self.status, self.reason, self.retryAfter) = (status, reason, retryAfter)
  }

  /// A method that `allowed` does not name.
  init(allowed: [String]) {
    self.init(.methodNotAllowed, "expected " + allowed.joined(separator: ", "))
    self.allowed = allowed
  }
}

/// The peer went away or stopped taking part: there is nobody to answer.
struct ConnectionLost: Error {}

/// The status codes in use, with their phrases.
enum HTTPStatus: Int {
  case ok = 200
  case created = 201
  case noContent = 204
  case seeOther = 303
  case badRequest = 400
  case unauthorized = 401
  case forbidden = 403
  case notFound = 404
  case methodNotAllowed = 405
  case requestTimeout = 408
  case conflict = 409
  case contentTooLarge = 413
  case unsupportedMediaType = 415
  case unprocessableContent = 422
  case tooManyRequests = 429
  case headerFieldsTooLarge = 431
  case internalServerError = 500
  case notImplemented = 501
  case serviceUnavailable = 503
  case versionNotSupported = 505

  /// The reason phrase of the status line.
  var phrase: String {
    switch self {
    case .ok: "OK"
    case .created: "Created"
    case .noContent: "No Content"
    case .seeOther: "See Other"
    case .badRequest: "Bad Request"
    case .unauthorized: "Unauthorized"
    case .forbidden: "Forbidden"
    case .notFound: "Not Found"
    case .methodNotAllowed: "Method Not Allowed"
    case .requestTimeout: "Request Timeout"
    case .conflict: "Conflict"
    case .contentTooLarge: "Content Too Large"
    case .unsupportedMediaType: "Unsupported Media Type"
    case .unprocessableContent: "Unprocessable Content"
    case .tooManyRequests: "Too Many Requests"
    case .headerFieldsTooLarge: "Request Header Fields Too Large"
    case .internalServerError: "Internal Server Error"
    case .notImplemented: "Not Implemented"
    case .serviceUnavailable: "Service Unavailable"
    case .versionNotSupported: "HTTP Version Not Supported"
    }
  }
}
