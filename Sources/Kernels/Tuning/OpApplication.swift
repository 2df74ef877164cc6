/// An operator and the shapes that it is applied to.
package struct OpApplication: Sendable {
  /// The operator.
  public let op: any CatalogOp
  /// Shapes of its inputs.
  public let inputs: [Shape]

  /// The operator applied to inputs of the given shapes.
  public init(_ op: any CatalogOp, _ inputs: [Shape]) { (self.op, self.inputs) = (op, inputs) }

  /// What the tuner chooses for.
  public var key: TuningKey { TuningKey(op, inputs) }

  /// The applications among `nodes` that leave numbers open on `backend`, each once; those within
  /// composites come first.
  public static func tunable(in nodes: [Node], on backend: OpenCLBackend) -> [OpApplication] {
    let whole = nodes.compactMap { node in
      (node.op as? any CatalogOp).map { OpApplication($0, node.inputs.map(\.shape)) }
    }
    let inner = whole.flatMap { $0.steps(backend.configuration.bandSizes) }
    var seen: Set<TuningKey> = []
    return (inner + whole).filter { application in
      !application.candidates(on: backend).isEmpty && seen.insert(application.key).inserted
    }
  }

  /// The numbers to try on `backend`.
  public func candidates(on backend: OpenCLBackend) -> [TunedSettings] {
    type(of: op).tuning.candidates(for: backend.traits)
  }

  /// Whether it runs the operator called `name`, itself or as one of its steps.
  public func runs(_ name: String) -> Bool {
    op.name == name || steps(CPUBackend.bandSizes).contains { $0.op.name == name }
  }

  /// The steps of a composite operator; none of others.
  private func steps(_ sizes: BandSizes) -> [OpApplication] {
    (op as? any CompositeOp)?.applications(inputs, sizes) ?? []
  }
}
