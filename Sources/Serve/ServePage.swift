import CServePage

/// The page and the description of the API, as they lie in the program.
enum ServePage {
  static var html: String {
    String(cString: restormer_serve_html())
      .replacing("{{view}}", with: String(cString: restormer_serve_view()))
  }
  static var style: String { String(cString: restormer_serve_style()) }
  static var script: String { String(cString: restormer_serve_script()) }
  static var description: String { String(cString: restormer_serve_description()) }
}
