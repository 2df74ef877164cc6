import Foundation

/// A real browser without a window, driven over the DevTools protocol.
final class Browser {
  /// Addresses that were asked for since the page was opened.
  private(set) var requests: [String] = []
  /// What the page wrote to the console, and its uncaught errors.
  private(set) var complaints: [String] = []

  private let pipe: BrowserPipe
  private var session: String?
  private var lastNumber = 0
  private var hasLoaded = false

  /// The first browser of the Chromium family in PATH.
  static var path: String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }

  /// Starts the browser at `path` with an empty page; it may take `patience` seconds for each
  /// answer.
  init(_ path: String, patience: Double = 30) throws {
    pipe = try BrowserPipe(path, patience: patience)
    let targets = try send("Target.getTargets")["targetInfos"] as? [[String: Any]] ?? []
    let target = targets.first { $0["type"] as? String == "page" }?["targetId"] ?? ""
    session =
      try send("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"]
      as? String
    for domain in ["Page", "Runtime", "Network", "Log"] { try send("\(domain).enable") }
  }

  // MARK: Pages

  /// Opens a file, or an address, and waits until it is loaded.
  func open(_ path: String, width: Int = 1280, height: Int = 800) throws {
    try send(
      "Emulation.setDeviceMetricsOverride",
      ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600])
    try send("Emulation.setTouchEmulationEnabled", ["enabled": width < 600])
    (requests, complaints, hasLoaded) = ([], [], false)
    try send(
      "Page.navigate",
      ["url": path.hasPrefix("http:") ? path : URL(fileURLWithPath: path).absoluteString])
    let end = pipe.deadline()
    while !hasLoaded { handle(try pipe.read(until: end)) }
  }

  /// The value of an expression in the page.
  func value(_ expression: String) throws -> Any? {
    let answer = try send(
      "Runtime.evaluate", ["expression": expression, "returnByValue": true, "awaitPromise": true])
    if let details = answer["exceptionDetails"] {
      throw BrowserPipe.Failure(description: "\(expression): \(details)")
    }
    return (answer["result"] as? [String: Any])?["value"]
  }

  func text(_ expression: String) throws -> String {
    try value(expression) as? String ?? "(no text: \(expression))"
  }

  func number(_ expression: String) throws -> Double {
    (try value(expression) as? NSNumber)?.doubleValue ?? .nan
  }

  /// The texts of all elements that a selector finds.
  func texts(_ selector: String) throws -> [String] {
    let all = "[...document.querySelectorAll(\"\(selector)\")].map((e) => e.textContent)"
    return try value(all) as? [String] ?? []
  }

  /// A picture of what the window shows.
  func screenshot(_ path: String) throws {
    let data = try send("Page.captureScreenshot")["data"] as? String ?? ""
    try Data(base64Encoded: data)?.write(to: URL(fileURLWithPath: path))
  }

  // MARK: Hands

  /// The middle of an element.
  func place(_ selector: String) throws -> (x: Double, y: Double) {
    let frame = "document.querySelector(\"\(selector)\").getBoundingClientRect()"
    return (
      try number("(({left, width}) => left + width / 2)(\(frame))"),
      try number("(({top, height}) => top + height / 2)(\(frame))")
    )
  }

  func click(_ selector: String) throws {
    let place = try place(selector)
    try drag(from: place, to: place)
  }

  func drag(from: (x: Double, y: Double), to: (x: Double, y: Double)) throws {
    try mouse("mousePressed", from)
    try mouse("mouseMoved", ((from.x + to.x) / 2, (from.y + to.y) / 2))
    try mouse("mouseMoved", to)
    try mouse("mouseReleased", to)
  }

  /// Drops files onto an element.
  func drop(_ paths: [String], on selector: String) throws {
    let place = try place(selector)
    for type in ["dragEnter", "dragOver", "drop"] {
      let data: [String: Any] = ["items": [Any](), "files": paths, "dragOperationsMask": 1]
      try send(
        "Input.dispatchDragEvent", ["type": type, "x": place.x, "y": place.y, "data": data])
    }
  }

  /// Waits until an expression is true in the page.
  func wait(for expression: String) throws {
    let end = pipe.deadline()
    while try value(expression) as? Bool != true {
      guard DispatchTime.now() < end else {
        throw BrowserPipe.Failure(description: "never true: \(expression)")
      }
      usleep(30_000)
    }
  }

  func wheel(at place: (x: Double, y: Double), by amount: Double) throws {
    try send(
      "Input.dispatchMouseEvent",
      ["type": "mouseWheel", "x": place.x, "y": place.y, "deltaX": 0, "deltaY": amount])
  }

  /// Draws fingers over the screen: each from its first place to its last.
  func touch(_ fingers: [[(x: Double, y: Double)]]) throws {
    for step in 0..<(fingers.map(\.count).max() ?? 0) {
      let points = fingers.enumerated().map { id, places in
        ["x": places[step].x, "y": places[step].y, "id": Double(id)]
      }
      try send(
        "Input.dispatchTouchEvent",
        ["type": step == 0 ? "touchStart" : "touchMove", "touchPoints": points])
    }
    try send("Input.dispatchTouchEvent", ["type": "touchEnd", "touchPoints": [Any]()])
  }

  /// Presses a key by its name in the DOM, such as `ArrowLeft` or `n`.
  func press(_ key: String) throws {
    let codes = [
      "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36,
      "Tab": 9,
    ]
    var event: [String: Any] = ["key": key, "type": "keyDown"]
    if let code = codes[key] { event["windowsVirtualKeyCode"] = code } else { event["text"] = key }
    try send("Input.dispatchKeyEvent", event)
    try send("Input.dispatchKeyEvent", ["key": key, "type": "keyUp"])
  }

  private func mouse(_ type: String, _ place: (x: Double, y: Double)) throws {
    let isDown = type != "mouseReleased"
    try send(
      "Input.dispatchMouseEvent",
      [
        "type": type, "x": place.x, "y": place.y, "button": "left", "buttons": isDown ? 1 : 0,
        "clickCount": 1,
      ])
  }

  // MARK: Messages

  @discardableResult
  private func send(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
    lastNumber += 1
    var message: [String: Any] = ["id": lastNumber, "method": method, "params": parameters]
    if let session { message["sessionId"] = session }
    let end = pipe.deadline()
    try pipe.write(message)
    while true {
      let answer = try pipe.read(until: end)
      guard answer["id"] as? Int == lastNumber else {
        handle(answer)
        continue
      }
      if let error = answer["error"] {
        throw BrowserPipe.Failure(description: "\(method): \(error)")
      }
      return answer["result"] as? [String: Any] ?? [:]
    }
  }

  private func handle(_ event: [String: Any]) {
    let parameters = event["params"] as? [String: Any] ?? [:]
    switch event["method"] as? String {
    case "Page.loadEventFired": hasLoaded = true
    case "Network.requestWillBeSent":
      let request = parameters["request"] as? [String: Any]
      requests.append(request?["url"] as? String ?? "")
    case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
      complaints.append("\(parameters)")
    default: break
    }
  }
}
