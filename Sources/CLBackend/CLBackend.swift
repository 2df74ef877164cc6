public struct OpenCLError: Error {}
public final class OpenCLDevice {
  public enum Kind: Sendable { case gpu, accelerator, cpu, other }
  public let name = "", kind = Kind.cpu, maxAllocation = 0, globalMemory = 0
  public static func all() throws -> [OpenCLDevice] { [] }
}
public final class Buffer {}
public final class Program { public func makeKernel(_ n: String) throws -> Kernel { Kernel() } }
public final class Kernel { public func setArguments(_ a: [Argument]) throws {} }
public enum Argument {
  case buffer(Buffer), int(Int32), uint(UInt32), ulong(UInt64), float(Float), local(bytes: Int)
}
public struct Launch {
  public init(
    _ kernel: Kernel, global: [Int], local: [Int]? = nil, label: String, flops: Double = 0,
    bytes: Double = 0
  ) {}
}
public final class OpenCLContext {
  public let device: OpenCLDevice
  public init(_ d: OpenCLDevice, profiling: Bool = false) throws { device = d }
  public func makeBuffer(bytes: Int) throws -> Buffer { Buffer() }
  public func program(source: String, options: String) throws -> Program { Program() }
  public func enqueue(_ l: Launch) throws {}
  public func finish() throws {}
  public func flush() throws {}
  public func writeRows(
    _ src: UnsafeRawPointer, to: Buffer, offset: Int, rowBytes: Int, rows: Int, pitch: Int
  ) throws {}
  public func readRows(
    _ src: UnsafeMutableRawPointer, from: Buffer, offset: Int, rowBytes: Int, rows: Int, pitch: Int
  ) throws {}
  public func fill(_ b: Buffer, offset: Int, bytes: Int, with: Float) throws {}
}
