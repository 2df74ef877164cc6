import Kernels

/// How precisely images are restored and networks trained. What is not said here is float: sums,
/// parameters, moments and all arithmetic but the products of `tf32`.
public enum PrecisionChoice: String, CaseIterable, Sendable {
  /// Half on GPUs whose results stay within `HalfStorage.bound`, else float; not for training.
  case automatic = "auto"
  /// Float throughout.
  case float
  /// Float, with 1x1 convolutions, the sums of attention and weight gradients in TF32: 11
  /// significant bits of either factor. For devices with a unit that does.
  case tf32
  /// Activations stored as half, which OpenCL devices can.
  case half

  /// How activations are stored where it is not left open.
  package var storage: Precision { self == .half ? .half : .float }

  /// `backend` as it is to compute.
  /// - Throws: `DeviceError` for a precision that it does not have.
  public func prepare<B: Backend>(_ backend: B) throws -> B {
    switch self {
    case .automatic, .float: return backend
    case .half where backend.traits.storesHalf: return backend
    case .half:
      throw unknown(to: backend, "stores float only, expected float or an OpenCL device")
    case .tf32:
      guard let other = try backend.multiplyingInTF32() else {
        throw unknown(to: backend, "has no unit for it that is right and allowed, expected float")
      }
      return other
    }
  }

  /// The same for a backend of either kind.
  /// - Throws: as above.
  public func prepare(_ opened: OpenedBackend) throws -> OpenedBackend {
    switch opened {
    case .openCL(let backend): .openCL(try prepare(backend))
    case .cpu(let backend): .cpu(try prepare(backend))
    }
  }

  private func unknown(to backend: some Backend, _ reason: String) -> DeviceError {
    DeviceError("precision \(rawValue): the \(backend.name) \(reason)")
  }
}
