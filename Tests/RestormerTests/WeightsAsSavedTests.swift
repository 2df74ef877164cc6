import Foundation
import Restormer
import TestSupport
import XCTest

/// State dicts in the ways people save them: under prefixes, in containers, beside other things.
final class WeightsAsSavedTests: XCTestCase {
  private static let weights: ModelWeights = {
    var configuration = ModelConfiguration.tiny
    (configuration.dim, configuration.blocks) = (8, [1, 1, 1, 1])
    let model = RestormerModel(configuration)
    var weights = ModelWeights(model: model)
    weights.values = WeightGenerator(salt: "saved").weights(model)
    return weights
  }()

  private var state: StateDict { Self.weights.state }

  /// The pickle of a dictionary of `state`'s tensors, all of them views of one storage.
  private func pickled(
    _ prefix: String = "", storage: String = "0", further: [[UInt8]] = []
  ) -> [UInt8] {
    let count = state.tensors.reduce(0) { $0 + $1.values.count }
    var offset = 0
    let members = state.tensors.map { tensor in
      var strides = [Int](repeating: 1, count: tensor.shape.count)
      for axis in strides.indices.dropLast().reversed() {
        strides[axis] = strides[axis + 1] * tensor.shape[axis + 1]
      }
      defer { offset += tensor.values.count }
      return PickleText.text(prefix + tensor.name)
        + PickleText.tensor(
          storage: storage, count: count, offset: offset, shape: tensor.shape, strides: strides)
    }
    return [UInt8(ascii: "}")] + PickleText.items(members + further)
  }

  /// An archive with `object`; storage "0" holds the weights, storage "1" their negatives.
  private func archive(_ object: [UInt8], isDeflated: Bool = false) -> [UInt8] {
    let values = state.tensors.flatMap(\.values)
    return zip(
      [
        ("x/data.pkl", PickleText.pickle(object)), ("x/data/0", PickleText.floats(values)),
        ("x/data/1", PickleText.floats(values.map { -$0 })),
      ], isDeflated: isDeflated)
  }

  private func load(_ bytes: [UInt8], key: String? = nil) throws -> ModelWeights {
    let path = NSTemporaryDirectory() + "saved-\(UUID().uuidString).pth"
    defer { unlink(path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try ModelWeights(contentsOf: path, key: key)
  }

  private func write(_ state: StateDict) throws -> String {
    let path = NSTemporaryDirectory() + "saved-\(UUID().uuidString).safetensors"
    try state.writeSafetensors(to: path)
    addTeardownBlock { unlink(path) }
    return path
  }

  private func renamed(_ prefix: String) -> [NamedTensor] {
    state.tensors.map {
      NamedTensor(name: prefix + $0.name, shape: $0.shape, values: $0.values)
    }
  }

  func testAnyPrefixIsRemoved() throws {
    for prefix in [
      "", "generator.", "model.", "net.", "net_g.", "_orig_mod.", "module.module.",
      "module._orig_mod.", "some.thing.else.",
    ] {
      let found = try load(archive(pickled(prefix)))
      XCTAssertEqual(found.values, Self.weights.values, prefix)
      XCTAssertEqual(found.notes, [], prefix)
      let path = try write(StateDict(tensors: renamed(prefix)))
      XCTAssertEqual(try ModelWeights(contentsOf: path).values, Self.weights.values, prefix)
    }
  }

  func testWrappersWithinNamesAreRemoved() throws {
    var tensors = renamed("")
    for index in tensors.indices {
      tensors[index].name = tensors[index].name.replacingOccurrences(
        of: ".attn.", with: "._checkpoint_wrapped_module.attn._orig_mod.")
    }
    let path = try write(StateDict(tensors: tensors))
    XCTAssertEqual(try ModelWeights(contentsOf: path).values, Self.weights.values)
  }

  func testAnyContainerIsOpened() throws {
    for key in [
      "params", "params_ema", "params-ema", "state_dict", "model_state", "net", "netG", "weights",
    ] {
      let found = try load(archive(PickleText.dictionary([key: pickled("module.")])))
      XCTAssertEqual(found.values, Self.weights.values, key)
    }
    let nested = PickleText.dictionary(["state": PickleText.dictionary(["net_g": pickled()])])
    XCTAssertEqual(try load(archive(nested)).values, Self.weights.values)
  }

  func testOfTwoSetsTheTrainedOneIsTakenUnlessTheKeySaysOtherwise() throws {
    let negated = Self.weights.values.map { -$0 }
    for (trained, averaged) in [
      ("params", "params_ema"), ("model", "ema_model"), ("zebra", "averaged"),
      ("zebra", "emaModel"), ("zebra", "modelEMA"), ("zebra", "netGema"), ("zebra", "avg_model"),
      ("zebra", "shadow"), ("zebra", "polyak"), ("schema", "swa"),
    ] {
      let file = archive(
        PickleText.dictionary([trained: pickled(), averaged: pickled(storage: "1")]))
      let standard = try load(file)
      XCTAssertEqual(standard.values, Self.weights.values, trained)
      XCTAssertTrue(standard.notes[0].contains("\(trained) taken"), "\(standard.notes)")
      let chosen = try load(file, key: averaged)
      XCTAssertEqual(chosen.values, negated, averaged)
      XCTAssertTrue(chosen.notes[0].contains("\(averaged) taken"), "\(chosen.notes)")
      XCTAssertThrowsError(try load(file, key: "params_best")) {
        let text = "\($0)"
        XCTAssertTrue(text.contains("'params_best'") && text.contains(averaged), text)
      }
    }
    let both = StateDict(tensors: renamed("params.") + renamed("params_ema."))
    let found = try ModelWeights(contentsOf: write(both), key: "params_ema")
    XCTAssertEqual(found.values, Self.weights.values)
  }

  /// `torch.save({"params": weights, "params_ema": weights})` writes the weights once.
  func testWeightsMayLieUnderTwoKeys() throws {
    let shared = PickleText.items([
      [PickleText.text("params_ema"), pickled(), PickleText.keep(0)].flatMap { $0 },
      [PickleText.text("params"), PickleText.recall(0)].flatMap { $0 },
    ])
    for key in [nil, "params", "params_ema"] {
      let found = try load(archive([UInt8(ascii: "}")] + shared), key: key)
      XCTAssertEqual(found.values, Self.weights.values, key ?? "none")
      let note = found.notes.first ?? "none"
      XCTAssertTrue(note.contains("\(key ?? "params") taken"), note)
    }
  }

  func testTheUsualKeyMeansTheOnlySet() throws {
    XCTAssertEqual(try load(archive(pickled()), key: "params").values, Self.weights.values)
    XCTAssertThrowsError(try load(archive(pickled()), key: "params_ema"))
  }

  func testTensorsBesideTheNetworkAreNamed() throws {
    var tensors = renamed("")
    tensors.append(NamedTensor(name: "step", shape: [], values: [5]))
    tensors.append(NamedTensor(name: "loss.vgg.weight", shape: [2], values: [1, 2]))
    tensors.append(
      NamedTensor(name: "encoder_level1.0.attn.total_ops", shape: [1], values: [3]))
    let found = try ModelWeights(contentsOf: write(StateDict(tensors: tensors)))
    XCTAssertEqual(found.values, Self.weights.values)
    XCTAssertEqual(
      found.notes,
      [
        "3 tensors beside the network's left out: encoder_level1.0.attn.total_ops, "
          + "loss.vgg.weight, step"
      ])
    // Under a prefix the others lie outside of it.
    let outside = renamed("model.") + [NamedTensor(name: "vgg.weight", shape: [1], values: [1])]
    let notes = try ModelWeights(contentsOf: write(StateDict(tensors: outside))).notes
    XCTAssertEqual(notes, ["a tensor beside the network's left out: vgg.weight"])
  }

  func testAnArrayWithinTheNetworkIsAnotherNetwork() throws {
    let further = NamedTensor(name: "latent.0.attn.lora", shape: [2], values: [1, 2])
    let path = try write(StateDict(tensors: renamed("") + [further]))
    XCTAssertThrowsError(try ModelWeights(contentsOf: path)) {
      XCTAssertTrue("\($0)".contains("latent.0.attn.lora"), "\($0)")
    }
  }

  func testCompressedArchivesAreUnpacked() throws {
    XCTAssertEqual(
      try load(archive(pickled(), isDeflated: true)).values, Self.weights.values)
  }

  /// What `torch.load(weights_only=True)` reads beside weights, and what people put there.
  func testOtherValuesBesideWeightsAreSkipped() throws {
    let call = PickleText.call
    let text = PickleText.text
    let values: [String: [UInt8]] = [
      "device": call("torch", "device", [text("cuda"), PickleText.integer(0)]),
      "dtype": PickleText.global("torch", "bfloat16"),
      "layout": call("torch.serialization", "_get_layout", [text("torch.strided")]),
      "size": call("torch", "Size", [PickleText.tuple([PickleText.integer(3)])]),
      "set": call("__builtin__", "set", [PickleText.list([PickleText.integer(1)])]),
      "complex": call("builtins", "complex", [PickleText.integer(1), PickleText.integer(2)]),
      "array": call("builtins", "bytearray", [text("x"), text("latin1")]),
      "bytes": call("_codecs", "encode", [text("x"), text("latin1")]),
      "seed": [0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      "log": call("collections", "defaultdict", [PickleText.global("__builtin__", "list")])
        + PickleText.items([text("a"), PickleText.integer(1)]),
      "counter": call("collections", "Counter", [PickleText.dictionary(["a": [0x88]])]),
      "best": call(
        "numpy._core.multiarray", "scalar",
        [
          call("numpy", "dtype", [text("f8"), [0x89], [0x88]]) + PickleText.tuple([])
            + [UInt8(ascii: "b")], call("_codecs", "encode", [text("x"), text("latin1")]),
        ]),
      "args": PickleText.global("argparse", "Namespace") + [UInt8(ascii: ")"), 0x81]
        + PickleText.dictionary(["lr": PickleText.integer(1)]) + [UInt8(ascii: "b")],
      "path": call("pathlib", "PosixPath", [text("/"), text("a")]),
      "zone": call("datetime", "timezone", [call("datetime", "timedelta", [])]),
      "decimal": call("decimal", "Decimal", [text("1.5")]),
      // What pickles of Python 3 call its types in the protocol that torch.save writes.
      "range": call("__builtin__", "xrange", [PickleText.integer(0), PickleText.integer(4)]),
      "int": PickleText.global("__builtin__", "long"),
      "str": PickleText.global("__builtin__", "unicode"),
      "quantized": call("torch._utils", "_rebuild_qtensor", []),
      "list": PickleText.list([PickleText.tuple([])]),
    ]
    for (name, value) in values {
      let pair = PickleText.dictionary(["state_dict": pickled(), name: value])
      XCTAssertEqual(try load(archive(pair)).values, Self.weights.values, name)
      let beside = pickled(further: [text(name) + value])
      XCTAssertEqual(try load(archive(beside)).values, Self.weights.values, name)
    }
  }

  /// Tensors of elements that are no plain numbers do no harm beside the network, but make one that
  /// has them another network.
  func testUnreadableTensorsMayLieBesideTheNetworkOnly() throws {
    let complex = PickleText.tensor(
      storage: "1", type: "ComplexFloat", count: 1, shape: [1], strides: [1])
    let beside = try load(archive(pickled(further: [PickleText.text("fft.table") + complex])))
    XCTAssertEqual(beside.values, Self.weights.values)
    XCTAssertEqual(beside.notes, ["a tensor beside the network's left out: fft.table"])
    let within = archive(pickled(further: [PickleText.text("latent.0.table") + complex]))
    XCTAssertThrowsError(try load(within)) {
      XCTAssertTrue("\($0)".contains("'latent.0.table' holds complex64"), "\($0)")
    }
    let path = try write(state)
    for (name, isHarmless) in [("fft.table", true), ("latent.0.table", false)] {
      try Self.append(name, type: "C64", to: path)
      if isHarmless {
        XCTAssertEqual(try ModelWeights(contentsOf: path).notes, beside.notes)
      } else {
        XCTAssertThrowsError(try ModelWeights(contentsOf: path)) {
          XCTAssertTrue("\($0)".contains("'latent.0.table' has type C64"), "\($0)")
        }
      }
    }
  }

  /// Puts a tensor of eight bytes at the end of a safetensors file.
  private static func append(_ name: String, type: String, to path: String) throws {
    var file = try Data(contentsOf: URL(fileURLWithPath: path))
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let end = file.count - 8 - length
    var header = String(decoding: file[8..<8 + length], as: UTF8.self)
    header = String(header[...(header.lastIndex(of: "}") ?? header.startIndex)].dropLast())
    header +=
      ",\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":[1],"
      + "\"data_offsets\":[\(end),\(end + 8)]}}"
    let head = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    file.replaceSubrange(0..<8 + length, with: head + Data(header.utf8))
    try (file + Data(count: 8)).write(to: URL(fileURLWithPath: path))
  }

  func testWholeModulesAreRefusedWithAHint() {
    for module in ["restormer_arch", "torch.nn.parallel.data_parallel"] {
      let object =
        PickleText.global(module, "Restormer") + PickleText.keep(0) + [UInt8(ascii: ")"), 0x81]
      XCTAssertThrowsError(try load(archive(object + PickleText.dictionary([:])))) {
        XCTAssertTrue("\($0)".contains("state_dict()"), "\($0)")
      }
    }
  }

  func testTheStateOfARunNamesItsWeights() throws {
    var state = StateDict(tensors: [NamedTensor(name: "parameters", shape: [1], values: [1])])
    state.metadata["kind"] = "restormer training state 1"
    XCTAssertThrowsError(try ModelWeights(contentsOf: write(state))) {
      XCTAssertTrue("\($0)".contains("models/best.safetensors"), "\($0)")
    }
  }
}
