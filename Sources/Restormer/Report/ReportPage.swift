import CReportPage
import Foundation

/// The template of a report: one HTML file that needs nothing beside itself.
enum ReportPage {
  /// The page with its parts in their places.
  /// - Parameters:
  ///   - title: plain text.
  ///   - images: the elements that hold the pictures.
  ///   - data: JSON.
  static func html(title: String, images: [UInt8], data: String) -> [UInt8] {
    let parts: [String: [UInt8]] = [
      "title": Array(escaped(title).utf8), "images": images,
      // Within a script only "<" could end it; JSON has it in texts alone.
      "data": Array(data.replacing("<", with: "\\u003c").utf8),
      "view": Array(String(cString: restormer_report_view()).utf8),
      "style": Array(String(cString: restormer_report_style()).utf8),
      "script": Array(String(cString: restormer_report_script()).utf8),
    ]
    return filled(String(cString: restormer_report_template()), parts)
  }

  /// An element that holds a picture as text, which costs nothing until it is shown.
  static func imageElement(_ id: String, _ format: ImageFormat, _ bytes: Data) -> String {
    "<script type=\"text/plain\" id=\"\(id)\">\(dataURI(format, bytes))</script>\n"
  }

  static func dataURI(_ format: ImageFormat, _ bytes: Data) -> String {
    "data:image/\(format.rawValue);base64,\(bytes.base64EncodedString())"
  }

  /// Text as HTML has it between tags and in attributes.
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }

  /// Puts a part for each `{{name}}`, in one pass: what looks like a name within a part stays.
  private static func filled(_ template: String, _ parts: [String: [UInt8]]) -> [UInt8] {
    var result: [UInt8] = []
    for (index, piece) in template.split(separator: "{{", omittingEmptySubsequences: false)
      .enumerated()
    {
      guard index > 0, let end = piece.firstRange(of: "}}"),
        let part = parts[String(piece[..<end.lowerBound])]
      else {
        result += Array(piece.utf8)
        continue
      }
      result += part
      result += Array(piece[end.upperBound...].utf8)
    }
    return result
  }
}
