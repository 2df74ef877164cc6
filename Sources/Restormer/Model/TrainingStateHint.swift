import Foundation

extension StateDict {
  /// What to say to whoever gives the state of a training run where its weights are wanted; nil for
  /// anything else.
  func hintInPlaceOfWeights(at path: String) -> String? {
    guard metadata["kind"]?.hasPrefix("restormer training state") == true else { return nil }
    let states = (path as NSString).deletingLastPathComponent
    let models = ((states as NSString).deletingLastPathComponent as NSString)
      .appendingPathComponent("models")
    let known = ["best", "latest", "final"].map { "\(models)/\($0).safetensors" }
    let there = known.filter(FileManager.default.fileExists)
    let found = there.isEmpty ? known : there
    return "is the state of a training run, from which `train` goes on; its weights are "
      + found.joined(separator: " or ")
  }
}
