/// The only names that a pickle may ask for, and what each stands for. Nothing is looked up and
/// nothing is called.
enum PickleGlobal: Equatable {
  /// `OrderedDict`, `Counter`: made of a dictionary or a list of pairs.
  case dictionary
  /// `defaultdict`: made empty.
  case defaultDictionary
  /// `_rebuild_tensor`, `_rebuild_tensor_v2`: storage, offset, shape, strides, ...
  case tensor
  /// `_rebuild_tensor_v3`: the same and the element type, over a storage of bytes.
  case typedTensor
  /// What only wraps a tensor, its first argument: parameters, tensors of another device.
  case wrappedTensor
  /// `_rebuild_from_type_v2`: another of these names and its arguments, for tensors with
  /// attributes.
  case tensorWithAttributes
  /// A class from before PyTorch 0.2, made empty and filled afterwards.
  case tensorClass
  /// A kind of tensor that is no plain array.
  case unreadable(String)
  case size
  case storage(PickleElement)
  case elementType(PickleElement)
  /// What may stand beside weights and has nothing to do with them: devices, sets, NumPy's numbers,
  /// paths.
  case inert

  init?(module: String, name: String) {
    let module = Self.renamed[module] ?? module
    if let known = Self.known["\(module).\(name)"] {
      self = known
    } else if module == "torch" || module == "torch.cuda" || module == "torch.storage",
      name.hasSuffix("Storage"), let element = PickleElement(className: name.dropLast(7))
    {
      self = .storage(element)
    } else if module == "torch" || module == "torch.cuda", name.hasSuffix("Tensor"),
      PickleElement(className: name.dropLast(6)) != nil
    {
      self = .tensorClass
    } else if module == "torch", let element = PickleElement(typeName: name) {
      self = .elementType(element)
    } else if module == "numpy.dtypes", name.hasSuffix("DType") {
      self = .inert
    } else if module.hasPrefix("torch.sparse") && name.hasSuffix("Tensor") {
      self = .unreadable("sparse")
    } else {
      return nil
    }
  }

  /// Modules by the names that other versions of Python and NumPy give them.
  private static let renamed = [
    "__builtin__": "builtins", "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric", "pathlib._local": "pathlib",
  ]

  private static let known: [String: PickleGlobal] = {
    var known: [String: PickleGlobal] = [
      "collections.OrderedDict": .dictionary, "collections.Counter": .dictionary,
      "collections.defaultdict": .defaultDictionary,
      "torch._utils._rebuild_tensor": .tensor, "torch._utils._rebuild_tensor_v2": .tensor,
      "torch._utils._rebuild_tensor_v3": .typedTensor,
      "torch._utils._rebuild_parameter": .wrappedTensor,
      "torch._utils._rebuild_parameter_with_state": .wrappedTensor,
      "torch._utils._rebuild_device_tensor_from_cpu_tensor": .wrappedTensor,
      "torch.nn.parameter.Parameter": .wrappedTensor,
      "torch._tensor._rebuild_from_type_v2": .tensorWithAttributes,
      "torch.Tensor": .tensorClass, "torch._tensor.Tensor": .tensorClass,
      "torch._utils._rebuild_qtensor": .unreadable("quantized"),
      "torch._utils._rebuild_sparse_tensor": .unreadable("sparse"),
      "torch._utils._rebuild_meta_tensor_no_storage": .unreadable("meta"),
      "torch._utils._rebuild_nested_tensor": .unreadable("nested"),
      "torch._utils._rebuild_wrapper_subclass": .unreadable("wrapped"),
      "torch._utils._rebuild_device_tensor_from_numpy": .unreadable("foreign device's"),
      "torch.Size": .size,
    ]
    for name in inertNames.split(separator: " ") { known[String(name)] = .inert }
    return known
  }()

  private static let inertNames = """
    torch.device torch.serialization._get_layout torch.per_tensor_affine \
    torch.per_tensor_symmetric \
    torch.per_channel_affine torch.per_channel_symmetric torch.per_channel_affine_float_qparams \
    _codecs.encode \
    builtins.bool builtins.bytearray builtins.bytes builtins.complex builtins.dict builtins.float \
    builtins.frozenset builtins.int builtins.list builtins.object builtins.range builtins.set \
    builtins.slice \
    builtins.str builtins.tuple numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct \
    numpy.core.numeric._frombuffer numpy.ndarray numpy.dtype argparse.Namespace pathlib.Path \
    pathlib.PurePath \
    pathlib.PosixPath pathlib.PurePosixPath pathlib.WindowsPath pathlib.PureWindowsPath \
    datetime.date \
    datetime.datetime datetime.time datetime.timedelta datetime.timezone collections.deque \
    decimal.Decimal fractions.Fraction uuid.UUID builtins.long builtins.unicode builtins.xrange
    """
}

/// The type of the elements of a tensor or storage.
enum PickleElement: Equatable {
  case readable(ElementType)
  /// One that holds no plain numbers, with the bytes of an element.
  case other(String, size: Int)

  var size: Int {
    switch self {
    case .readable(let type): type.size
    case .other(_, let size): size
    }
  }

  /// By PyTorch's name of the type, such as `float32`.
  init?(typeName: String) {
    if let type = Self.types[typeName] {
      self = .readable(type)
    } else if let size = Self.others[typeName] {
      self = .other(typeName, size: size)
    } else {
      return nil
    }
  }

  /// By the name of a class, such as `Float` of `FloatStorage`.
  init?(className: some StringProtocol) {
    guard let name = Self.classes[String(className)] else { return nil }
    self.init(typeName: name)
  }

  private static let types: [String: ElementType] = [
    "float32": .float32, "float": .float32, "float64": .float64, "double": .float64,
    "float16": .float16, "half": .float16, "bfloat16": .bfloat16,
    "float8_e4m3fn": .float8E4M3, "float8_e5m2": .float8E5M2,
    "int64": .int64, "long": .int64, "int32": .int32, "int": .int32, "int16": .int16,
    "short": .int16, "int8": .int8, "uint8": .uint8, "uint16": .uint16, "uint32": .uint32,
    "uint64": .uint64, "bool": .bool,
  ]

  private static let others: [String: Int] = {
    var sizes = [
      "complex32": 4, "complex64": 8, "cfloat": 8, "complex128": 16, "cdouble": 16, "qint8": 1,
      "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1, "float8_e4m3fnuz": 1,
      "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1, "untyped": 1,
      "bits8": 1, "bits16": 2, "bits1x8": 1, "bits2x4": 1, "bits4x2": 1,
    ]
    for bits in 1...7 { (sizes["int\(bits)"], sizes["uint\(bits)"]) = (1, 1) }
    return sizes
  }()

  private static let classes = [
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
    "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4", "Untyped": "untyped",
  ]
}
