/// Something that executes operators: an OpenCL device or the CPU.
public protocol Backend: AnyObject {
  /// One contiguous allocation.
  associatedtype Storage
  /// One bound piece of work.
  associatedtype Step
  /// A place in the order of what was started.
  associatedtype Mark = Void

  /// The name shown to users.
  var name: String { get }
  /// What the device is.
  var traits: DeviceTraits { get }
  /// What may be allocated.
  var memory: MemoryBudget { get }
  /// Bytes of the storages there are.
  var bytesInUse: Int { get }

  /// Allocates `count` elements, contents undefined.
  /// - Throws: the backend's error, naming the size, when memory does not suffice.
  func makeStorage(count: Int) throws -> Storage

  /// Temporary memory, in elements, that one evaluation of `op` needs.
  func scratch(_ op: any Op, _ inputs: [Shape]) -> [Int]

  /// Binds one evaluation of `op` to memory.
  func bind(
    _ op: any Op, _ inputs: [TensorView<Storage>], into outputs: [TensorView<Storage>],
    scratch: [TensorView<Storage>]
  ) throws -> [Step]

  /// How long a step takes where it takes long: seconds on the slowest device that is reckoned
  /// with, if systems of such devices stop what takes too long.
  func reckonedSeconds(of step: Step) -> Double?

  /// Starts `steps` in order; may return before they are done.
  func run(_ steps: [Step]) throws

  /// The place behind everything started so far.
  func mark() throws -> Mark

  /// Waits until everything started before `mark` is done.
  func wait(for mark: Mark) throws

  /// Waits until everything started is done.
  func synchronize() throws

  /// Copies dense row-major `values` into `view`.
  func write(_ values: UnsafeBufferPointer<Float>, to view: TensorView<Storage>) throws

  /// Copies `view` into dense row-major `values`, after everything started before.
  func read(_ view: TensorView<Storage>, into values: UnsafeMutableBufferPointer<Float>) throws

  /// Copies a dense `view` into `values` after everything started before; they are complete, and
  /// may be given up, once the result was waited for.
  func startReading(
    _ view: TensorView<Storage>, into values: UnsafeMutableBufferPointer<Float>
  ) throws -> Mark

  /// The same device with products in TF32, 11 significant bits of either factor and sums of float;
  /// nil where it has no unit that multiplies so and is right and allowed.
  /// - Throws: `DeviceError` for an unknown wish in the environment.
  func multiplyingInTF32() throws -> Self?

  /// Measures what the device does at best; takes about a second.
  func measureCeilings() throws -> DeviceCeilings

  /// Sets every element between `view.offset` and the end of its extent, gaps included.
  func fill(_ view: TensorView<Storage>, with value: Float) throws
}

extension Backend where Mark == Void {
  /// Nothing: what was started is done.
  public func mark() throws {}

  /// Returns at once: what was started is done.
  public func wait(for mark: Void) throws {}
}

extension Backend {
  /// Nil: there is no such unit.
  public func multiplyingInTF32() throws -> Self? { nil }

  /// Nil: nobody watches.
  public func reckonedSeconds(of step: Step) -> Double? { nil }

  /// Copies dense row-major `values` into `view`; the counts must agree.
  public func write(_ values: [Float], to view: TensorView<Storage>) throws {
    precondition(values.count == view.shape.count, "write: \(values.count) values, \(view.shape)")
    try values.withUnsafeBufferPointer { try write($0, to: view) }
  }

  /// The elements of `view`, dense and row-major.
  public func read(_ view: TensorView<Storage>) throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: view.shape.count) { buffer, count in
      try read(view, into: UnsafeMutableBufferPointer(rebasing: buffer[..<view.shape.count]))
      count = view.shape.count
    }
  }
}
