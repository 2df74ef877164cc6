import Foundation
import Restormer
import XCTest

/// A connection on which a test may send whatever it likes.
final class RawConnection {
  private let descriptor: Int32

  init(_ port: Int, receiveBuffer: Int32? = nil) throws {
    #if canImport(Darwin)
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #else
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #endif
    var time = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    if var size = receiveBuffer {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    XCTAssertEqual(connected, 0, "no connection: \(String(cString: strerror(errno)))")
  }

  deinit { close(descriptor) }

  /// Sends as much as the server takes; whether it took all.
  @discardableResult
  func send(_ data: Data) -> Bool {
    data.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        #if canImport(Darwin)
          let count = Darwin.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, 0)
        #else
          let count = Glibc.send(
            descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
        #endif
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Data(text.utf8)) }

  /// No more will be sent.
  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// What comes next; empty at the end.
  func receive(_ most: Int = 64 << 10) -> Data {
    var bytes = [UInt8](repeating: 0, count: most)
    let count = recv(descriptor, &bytes, most, 0)
    return Data(bytes.prefix(max(0, count)))
  }

  /// Everything up to the end.
  func received() -> Data {
    var all = Data()
    while true {
      let piece = receive()
      guard !piece.isEmpty else { return all }
      all += piece
    }
  }

  func answer() -> Answer { Answer(received()) }
}

/// An answer of the server.
struct Answer {
  let status: Int
  let head: String
  let body: Data

  init(_ data: Data) {
    let end = data.firstRange(of: Data("\r\n\r\n".utf8)) ?? data.endIndex..<data.endIndex
    head = String(decoding: data[..<end.lowerBound], as: UTF8.self)
    body = Data(data[end.upperBound...])
    status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  var json: [String: Any] {
    (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:]
  }

  /// The reason that an error carries.
  var fault: String { json["error"] as? String ?? "(no error: \(head) \(text.prefix(200)))" }

  func header(_ name: String) -> String? {
    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
      .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
  }
}

/// Files for uploads.
enum Upload {
  /// A PNG of gray waves.
  static func png(_ width: Int = 24, _ height: Int = 16) throws -> Data {
    let pixels = (0..<width * height).map { 0.5 + 0.3 * sin(Float($0)) }
    let image = Image(width: width, height: height, channels: 1, pixels: pixels)
    return Data(try image.encode(format: .png))
  }

  /// A Windows bitmap of 24 bits, whose sides fit into a byte.
  static func bitmap(_ width: UInt8, _ height: UInt8) -> Data {
    let row = (Int(width) * 3 + 3) / 4 * 4
    let size = 54 + row * Int(height)
    var header = [UInt8](repeating: 0, count: 54)
    header[0..<3] = [0x42, 0x4D, UInt8(size)]
    (header[10], header[14], header[18], header[22], header[26], header[28]) =
      (54, 40, width, height, 1, 24)
    return Data(header + (54..<size).map { UInt8($0 * 7 % 256) })
  }

  /// A PNG whose header claims other sides, with a right checksum, over the data of a small one.
  static func bomb(_ width: UInt32, _ height: UInt32, filler: Int = 0) throws -> Data {
    var file = try png()
    for (offset, value) in [(16, width), (20, height)] {
      withUnsafeBytes(of: value.bigEndian) { file.replaceSubrange(offset..<offset + 4, with: $0) }
    }
    let sum = crc32(file.subdata(in: 12..<29))
    withUnsafeBytes(of: sum.bigEndian) { file.replaceSubrange(29..<33, with: $0) }
    return file + Data(count: filler)
  }
}
