import ArgumentParser
import Foundation
import Restormer

/// The weights that `--model` names: a bundled model's name, a file, or nothing.
struct ChosenModel {
  /// How to speak of it.
  let title: String
  let weights: ModelWeights

  /// - Parameters:
  ///   - name: a bundled model's name or a path; nil for the bundled model. A file that happens to
  ///     be called as a bundled model is `./NAME`.
  ///   - key: which of several sets of weights in a file to take.
  /// - Throws: as reading a weights file.
  init(_ name: String?, key: String?) throws {
    if key != nil, name.map(BundledModel.names.contains) ?? true {
      throw ValidationError("--param-key is for weights files, a bundled model has one set only")
    }
    guard let name else {
      let model = try BundledModel.standard()
      title = "\(model.name), bundled with the program: \(model.purpose) (-m takes other weights)"
      weights = model.weights
      return
    }
    if let model = try BundledModel(named: name) {
      (title, weights) = ("\(model.name), bundled with the program", model.weights)
      return
    }
    try Self.checkFile(name)
    (title, weights) = (name, try ModelWeights(contentsOf: name, key: key))
    for note in weights.notes { Console.note("\(name): \(note)") }
  }

  /// - Throws: `WeightsError` for a name that is neither that of a bundled model nor looks like a
  ///   file's.
  static func checkFile(_ name: String) throws {
    guard name.contains(where: { $0 == "/" || $0 == "." }) || FileKind(name) != nil else {
      let known = BundledModel.names.joined(separator: ", ")
      throw WeightsError(path: name, fault: "no such file, and no bundled model (\(known))")
    }
  }
}
