/// An image's bands of rows, shared out among cores: a lane is a run of bands that one core takes
/// through a whole chain of operators, so that nothing changes cores on the way.
///
/// Where bands end depends on the shape alone, and so do the groups of bands whose sums are kept
/// apart; lanes are runs of groups. What is computed is the same for any number of cores.
///
/// A lane has to know the two rows before its own, and the next lane's first result may take the
/// place of a row that it still reads: both are seen to before any lane writes results.
struct BandLanes {
  let bands: RowBands
  /// Runs of bands.
  let groups: [Range<Int>]
  /// Runs of groups.
  private let lanes: [Range<Int>]
  /// Whether a step is everybody's: without cores to tell apart, or with too few rows for them.
  private let isShared: Bool

  /// Bands of an image `x` of which the widest tensor has `channels` channels; in at most
  /// `mostGroups` groups where cores have lanes, otherwise in one.
  init(_ x: Shape, channels: Int, _ sizes: BandSizes, mostGroups: Int = 64) {
    guard let cores = sizes.lanes else {
      bands = RowBands(height: x.h, width: x.w, pixels: sizes.elements / channels)
      (groups, lanes, isShared) = ([bands.bands.indices], [0..<1], true)
      return
    }
    // Bands enough for a few cores; few rows cost more than they save.
    let rows = max(4, ceilingQuotient(x.h, 8))
    bands = RowBands(
      height: x.h, width: x.w, pixels: min(rows * x.w, sizes.laneElements / channels))
    groups = Self.groups(of: bands.bands, atMost: mostGroups)
    let most = min(cores, x.h / Self.leastRows, Self.mostElements / (bands.slots * x.w * channels))
    lanes = Self.share(groups.count, among: max(1, most))
    isShared = cores > 1 && lanes.count == 1
  }

  /// Rows of a lane, of which two are computed by its neighbour as well.
  private static let leastRows = 8

  /// Elements of the widest tensors of all lanes together: many cores, wide images.
  private static let mostElements = 1 << 26

  /// Bands in at most `most` runs, of which each has rows that get ready: none are after a first
  /// band of one row.
  private static func groups(of bands: [RowBands.Band], atMost most: Int) -> [Range<Int>] {
    let early = bands.prefix { $0.ready.isEmpty }.count
    return share(bands.count - early, among: most).map {
      ($0.lowerBound == 0 ? 0 : $0.lowerBound + early)..<$0.upperBound + early
    }
  }

  /// `0..<count` in at most `parts` runs as long as each other.
  private static func share(_ count: Int, among parts: Int) -> [Range<Int>] {
    let parts = min(count, parts)
    return (0..<parts).map { $0 * count / parts..<($0 + 1) * count / parts }
  }

  /// Lanes.
  var count: Int { lanes.count }

  /// The numbers of a lane's bands.
  private func bandNumbers(_ lane: Int) -> Range<Int> {
    let own = groups[lanes[lane]]
    return (own.first?.lowerBound ?? 0)..<(own.last?.upperBound ?? 0)
  }

  /// The bands of a lane.
  private func bands(of lane: Int) -> ArraySlice<RowBands.Band> { bands.bands[bandNumbers(lane)] }

  /// The group of band `number`, and whether the band is the first that has sums for it.
  func group(of number: Int) -> (index: Int, isFirst: Bool) {
    let index = groups.firstIndex { $0.contains(number) } ?? 0
    return (index, groups[index].first { !bands.bands[$0].ready.isEmpty } == number)
  }

  /// The rows before a lane's own that its first results depend on.
  func rowsBefore(_ lane: Int) -> Range<Int> {
    let first = bands(of: lane).first?.rows.lowerBound ?? 0
    return max(0, first - 2)..<first
  }

  /// The last row of a lane's own that the next lane writes.
  func contestedRow(_ lane: Int) -> Int? {
    lane == count - 1 ? nil : bands(of: lane).last.map { $0.rows.upperBound - 1 }
  }

  /// A phase of few steps for each lane.
  func phase(_ steps: @escaping (_ lane: Int) -> [CompositeStep]) -> CompositePhase {
    guard !isShared else { return .together(steps(0)) }
    return .lanes(CompositeLanes(count: count, rounds: 1) { lane, _ in steps(lane) })
  }

  /// A phase of the steps of all bands, each by its lane; or everybody's.
  func phase(
    bands steps: @escaping (_ lane: Int, _ number: Int) -> [CompositeStep]
  ) -> CompositePhase {
    guard !isShared else { return .together(bandNumbers(0).flatMap { steps(0, $0) }) }
    // Bands between two times that cores wait for each other.
    let size = 4
    let most = lanes.indices.map { bandNumbers($0).count }.max() ?? 0
    return .lanes(
      CompositeLanes(count: count, rounds: ceilingQuotient(most, size)) { lane, round in
        bandNumbers(lane).dropFirst(round * size).prefix(size).flatMap { steps(lane, $0) }
      })
  }
}
