/// One option of training, the only place that knows it: its names in options files and on the
/// command line, what it means, what it may be and how it is read and written.
///
/// Options files, `options.yml`, the flags of `train`, sweeps and the notes about changed options
/// all come from `all`.
package struct TrainingOption: Sendable {
  /// Its path in options files, such as `train.optim_g.lr`, or nil for a flag alone.
  package let path: String?
  /// Its name on the command line and in sweeps, without dashes, or nil for a key of files alone.
  package let flag: String?
  /// What it means, in a sentence.
  package let meaning: String
  /// What it may be: "a whole number from 1 to 4096".
  package let expected: String
  /// What it is unless it is set, as a command line has it; nil where that is nothing.
  package let preset: String?
  /// Whether it is a number, or several.
  package var isNumeric: Bool { expected.contains("number") }
  /// Whether it only concerns the authors' framework.
  package let isIgnored: Bool
  /// Sets the option; throws `DataError` with the value and what was expected.
  let read: @Sendable (OptionValue, inout TrainingOptions) throws -> Void
  /// The value as files have it, or nil where the option says nothing.
  let write: @Sendable (TrainingOptions) -> String?
  /// What is wrong with the option's value, or nil.
  let fault: @Sendable (TrainingOptions) -> String?

  /// An option with accessors of its own; `get` gives nil where the option says nothing.
  init<Value>(
    _ path: String?, flag: String? = nil, _ meaning: String, _ kind: OptionKind<Value>,
    get: @escaping @Sendable (TrainingOptions) -> Value? = { _ in nil },
    set: @escaping @Sendable (inout TrainingOptions, Value) throws -> Void
  ) {
    (self.path, self.flag, self.meaning) = (path, flag, meaning)
    (expected, isIgnored) = (kind.expected, false)
    preset = get(TrainingOptions()).map(kind.shown ?? kind.format)
    read = { try set(&$1, try kind.value(of: $0)) }
    write = { get($0).map(kind.format) }
    fault = { options in
      guard let value = get(options), !kind.holds(value) else { return nil }
      return "\(path ?? flag ?? ""): \(kind.format(value)), expected \(kind.expected)"
    }
  }

  /// An option that is one field.
  init<Value>(
    _ path: String, flag: String? = nil, _ meaning: String, _ kind: OptionKind<Value>,
    _ field: WritableKeyPath<TrainingOptions, Value> & Sendable
  ) {
    self.init(
      path, flag: flag, meaning, kind, get: { $0[keyPath: field] },
      set: { $0[keyPath: field] = $1 })
  }

  /// An option that is one field and stands in files only if it is not nil.
  init<Value>(
    _ path: String, flag: String? = nil, _ meaning: String, _ kind: OptionKind<Value>,
    _ field: WritableKeyPath<TrainingOptions, Value?> & Sendable
  ) {
    self.init(
      path, flag: flag, meaning, kind, get: { $0[keyPath: field] },
      set: { $0[keyPath: field] = $1 })
  }

  /// A key that has no effect here. What it asks for is said, unless it is nothing that matters.
  init(
    ignored path: String, _ reason: String = "",
    unless isHarmless: @autoclosure @escaping @Sendable () -> [String]? = nil
  ) {
    (self.path, flag, meaning, expected, isIgnored) = (path, nil, reason, "anything", true)
    preset = nil
    read = { value, options in
      guard let isHarmless = isHarmless(),
        !isHarmless.contains("\(value)".filter { $0 != "'" }.lowercased())
      else { return }
      options.ignored.append("\(path) \(value) has no effect: \(reason)")
    }
    (write, fault) = ({ _ in nil }, { _ in nil })
  }
}
