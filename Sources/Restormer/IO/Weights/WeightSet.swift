/// One set of weights in a file that may hold several, and other tensors beside them.
///
/// People save networks inside others (`generator.`, `model.`), compiled (`_orig_mod.`), in
/// parallel (`module.`), under keys of their own and next to a moving average. A set is found by
/// the one tensor that every Restormer begins with.
struct WeightSet<Value> {
  /// The keys of the dictionaries that it lies in, then the names before those of the network.
  let keys: [String]
  /// Names as the network has them.
  let members: [(name: String, value: Value)]
  /// Names of what lies in the same dictionary and belongs to no set.
  let strangers: [String]

  /// `state_dict.generator`; empty for weights under no key.
  var label: String { keys.joined(separator: ".") }

  /// `format` and, in brackets, where the set lies.
  func format(_ format: String) -> String { keys.isEmpty ? format : "\(format) (\(label))" }

  /// The members that can be read, and of the others by their names why not.
  /// - Parameter fault: what is wrong with a member, nil for nothing.
  func members(
    _ fault: (_ value: Value, _ name: String) -> String?
  ) -> (readable: [(name: String, value: Value)], unreadable: [String: String]) {
    var (readable, unreadable) = (members, [String: String]())
    readable.removeAll { name, value in
      unreadable[name] = fault(value, name)
      return unreadable[name] != nil
    }
    return (readable, unreadable)
  }

  /// The first tensor of the network.
  private static var anchor: String { "patch_embed.proj.weight" }
  /// What wrappers put into names, at their beginning or within.
  private static var wrappers: Set<Substring> {
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
  }

  /// The sets among the members of one dictionary, in the file's order.
  static func sets(among members: [(name: String, value: Value)], under keys: [String]) -> [Self] {
    let plain = members.map { (name: plainName($0.name), original: $0.name, value: $0.value) }
    var prefixes: [String] = []
    for member in plain where member.name.hasSuffix(anchor) {
      let prefix = String(member.name.dropLast(anchor.count))
      if prefix.isEmpty || prefix.hasSuffix("."), !prefixes.contains(prefix) {
        prefixes.append(prefix)
      }
    }
    // A hostile file may have many: each costs a pass.
    guard !prefixes.isEmpty, prefixes.count <= 16 else { return [] }
    let longestFirst = prefixes.sorted { $0.utf8.count > $1.utf8.count }
    let owners = plain.map { member in longestFirst.first { member.name.hasPrefix($0) } }
    let strangers = zip(plain, owners).compactMap { $1 == nil ? $0.original : nil }
    return prefixes.map { prefix in
      let own = zip(plain, owners).filter { $1 == prefix }
      let path = prefix.split(separator: ".").filter { $0 != "module" }.map(String.init)
      return Self(
        keys: keys + path,
        members: own.map { (String($0.0.name.dropFirst(prefix.count)), $0.0.value) },
        strangers: strangers)
    }
  }

  private static func plainName(_ name: String) -> String {
    guard name.contains("_") else { return name }
    return name.split(separator: ".", omittingEmptySubsequences: false)
      .filter { !wrappers.contains($0) }.joined(separator: ".")
  }

  /// The set called `key`, or the trained weights, and what to say where there was a choice; nil if
  /// there is no set.
  /// - Throws: `PickleFault` when no set is called so.
  static func choose(
    among sets: [Self], key: String?
  ) throws -> (set: Self, notes: [String])? {
    guard !sets.isEmpty else { return nil }
    let ranked = sets.enumerated().sorted {
      ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset)
    }
    .map(\.element)
    let titles = sets.map(\.title).joined(separator: ", ")
    guard let set = ranked.first(where: { $0.isCalled(key, only: sets.count == 1) }) else {
      throw PickleFault("has no weights under '\(key ?? "")', only \(titles)")
    }
    guard sets.count > 1 else { return (set, []) }
    return (
      set, ["holds several sets of weights (\(titles)): \(set.title) taken (see --param-key)"]
    )
  }

  private var title: String { keys.isEmpty ? "those under no key" : label }

  private func isCalled(_ key: String?, only isOnly: Bool) -> Bool {
    guard let key else { return true }
    // `params` is how options files say "the trained ones".
    return label == key || keys.contains(key) || (isOnly && keys.isEmpty && key == "params")
  }

  private static var averages: Set<String> {
    ["ema", "average", "averaged", "avg", "swa", "shadow", "polyak"]
  }

  /// Trained weights come before averaged ones, well-known keys before others.
  private var rank: Int {
    let words = label.split { !$0.isLetter }
    let isAverage = words.contains { word in
      Self.averages.contains(word.lowercased())
        // As in modelEMA, emaModel and netGema.
        || word.hasPrefix("ema") && word.dropFirst(3).first?.isUppercase == true
        || ["EMA", "Ema", "Gema"].contains(where: word.hasSuffix)
    }
    let known = [
      "params", "state_dict", "model", "model_state_dict", "model_state", "net", "net_g",
    ]
    let place = keys.first.map { known.firstIndex(of: $0) ?? known.count } ?? 0
    return (isAverage ? 100 : 0) + place
  }
}
