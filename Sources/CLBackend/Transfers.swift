import COpenCL

// Copies between host and device and within the device. Offsets and sizes are bytes; nothing to
// copy is no error.

extension OpenCLContext {
  /// Copies `source` into `buffer` from byte `offset` on. Returns when done.
  /// - Throws: `OpenCLError` naming the range.
  public func write(
    _ source: UnsafeRawBufferPointer, to buffer: Buffer, offset: Int
  ) throws {
    guard let base = source.baseAddress, !source.isEmpty else { return }
    try check(
      "clEnqueueWriteBuffer",
      clEnqueueWriteBuffer(
        queue.pointer, buffer.handle, cl_bool(CL_TRUE), offset, source.count, base, 0, nil, nil),
      range(source.count, offset, buffer))
  }

  /// Fills `target` from byte `offset` of `buffer` on, after everything enqueued before.
  /// - Throws: `OpenCLError` naming the range.
  public func read(
    _ target: UnsafeMutableRawBufferPointer, from buffer: Buffer, offset: Int
  ) throws {
    guard let base = target.baseAddress, !target.isEmpty else { return }
    try check(
      "clEnqueueReadBuffer",
      clEnqueueReadBuffer(
        queue.pointer, buffer.handle, cl_bool(CL_TRUE), offset, target.count, base, 0, nil, nil),
      range(target.count, offset, buffer))
  }

  /// Enqueues filling `target` from byte `offset` of `buffer` on; what it points to must live until
  /// that is done.
  /// - Throws: `OpenCLError` naming the range.
  public func startReading(
    _ target: UnsafeMutableRawBufferPointer, from buffer: Buffer, offset: Int
  ) throws {
    guard let base = target.baseAddress, !target.isEmpty else { return }
    try check(
      "clEnqueueReadBuffer",
      clEnqueueReadBuffer(
        queue.pointer, buffer.handle, cl_bool(CL_FALSE), offset, target.count, base, 0, nil, nil),
      range(target.count, offset, buffer))
  }

  /// Copies dense host rows into device rows. Returns when done; bytes between the device rows
  /// stay.
  /// - Parameters:
  ///   - source: `rows * rowBytes` bytes.
  ///   - buffer: the target.
  ///   - offset: first byte of the first device row.
  ///   - rowBytes: bytes of one row.
  ///   - rows: number of rows.
  ///   - pitch: bytes from one device row to the next, at least `rowBytes`.
  /// - Throws: `OpenCLError` naming the range.
  public func writeRows(
    _ source: UnsafeRawPointer, to buffer: Buffer, offset: Int, rowBytes: Int, rows: Int, pitch: Int
  ) throws {
    if rows <= 1 || pitch == rowBytes {
      let dense = UnsafeRawBufferPointer(start: source, count: rowBytes * rows)
      return try write(dense, to: buffer, offset: offset)
    }
    guard rowBytes > 0 else { return }
    let detail = "\(rows) rows of " + range(rowBytes, offset, buffer) + ", pitch \(pitch)"
    // Some drivers take rows beyond the end.
    let end = offset + (rows - 1) * pitch + rowBytes
    try check(
      "clEnqueueWriteBufferRect", end <= buffer.bytes ? CL_SUCCESS : CL_INVALID_VALUE, detail)
    try check(
      "clEnqueueWriteBufferRect",
      clEnqueueWriteBufferRect(
        queue.pointer, buffer.handle, cl_bool(CL_TRUE), [offset, 0, 0], [0, 0, 0],
        [rowBytes, rows, 1], pitch, 0, rowBytes, 0, source, 0, nil, nil),
      detail)
  }

  /// Copies device rows into dense host rows, after everything enqueued before.
  /// - Parameters:
  ///   - target: room for `rows * rowBytes` bytes.
  ///   - buffer: the source.
  ///   - offset: first byte of the first device row.
  ///   - rowBytes: bytes of one row.
  ///   - rows: number of rows.
  ///   - pitch: bytes from one device row to the next, at least `rowBytes`.
  /// - Throws: `OpenCLError` naming the range.
  public func readRows(
    _ target: UnsafeMutableRawPointer, from buffer: Buffer, offset: Int, rowBytes: Int, rows: Int,
    pitch: Int
  ) throws {
    if rows <= 1 || pitch == rowBytes {
      let dense = UnsafeMutableRawBufferPointer(start: target, count: rowBytes * rows)
      return try read(dense, from: buffer, offset: offset)
    }
    guard rowBytes > 0 else { return }
    let detail = "\(rows) rows of " + range(rowBytes, offset, buffer) + ", pitch \(pitch)"
    // Some drivers take rows beyond the end.
    let end = offset + (rows - 1) * pitch + rowBytes
    try check(
      "clEnqueueReadBufferRect", end <= buffer.bytes ? CL_SUCCESS : CL_INVALID_VALUE, detail)
    try check(
      "clEnqueueReadBufferRect",
      clEnqueueReadBufferRect(
        queue.pointer, buffer.handle, cl_bool(CL_TRUE), [offset, 0, 0], [0, 0, 0],
        [rowBytes, rows, 1], pitch, 0, rowBytes, 0, target, 0, nil, nil),
      detail)
  }

  /// Enqueues setting `bytes` bytes from `offset` on, both multiples of 4, to copies of `value`.
  /// - Throws: `OpenCLError` naming the range.
  public func fill(_ buffer: Buffer, offset: Int, bytes: Int, with value: Float) throws {
    guard bytes != 0 else { return }
    var value = value
    try check(
      "clEnqueueFillBuffer",
      clEnqueueFillBuffer(queue.pointer, buffer.handle, &value, 4, offset, bytes, 0, nil, nil),
      range(bytes, offset, buffer))
  }

  /// Enqueues a copy within the device; the two ranges must not overlap.
  /// - Throws: `OpenCLError` naming both ranges.
  public func copy(
    from source: Buffer, sourceOffset: Int, to target: Buffer, offset: Int, bytes: Int
  ) throws {
    guard bytes != 0 else { return }
    try check(
      "clEnqueueCopyBuffer",
      clEnqueueCopyBuffer(
        queue.pointer, source.handle, target.handle, sourceOffset, offset, bytes, 0, nil, nil),
      range(bytes, sourceOffset, source) + " to " + range(bytes, offset, target))
  }

  private func range(_ bytes: Int, _ offset: Int, _ buffer: Buffer) -> String {
    "\(bytes) bytes at \(offset) of a buffer of \(buffer.bytes)"
  }
}
