import Kernels

/// The first output of an operator by its definition, for dense inputs of the given shapes.
func definition(_ op: any DefinedOp, _ shapes: [Shape]) -> ([[Double]]) -> [Double] {
  { values in op.definition(zip(shapes, values).map { ExactTensor($0, $1) })[0].values }
}
