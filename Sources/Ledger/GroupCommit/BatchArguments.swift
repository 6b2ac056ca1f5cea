internal import Foundation
internal import GatewayCore
internal import Postgres

/// A batch as the database functions take it.
struct BatchArguments {
    /// In the order in which they are tried.
    let reservations: [PlannedReservation]
    /// In the order of their holds' keys, in which these are locked.
    let settlements: [PlannedSettlement]
    /// What the batch does to each period row, ascending by period.
    private let deltas: [PeriodDelta]
    /// A sum is beyond a column's range: only trying one by one can tell what fits.
    let isOverflowing: Bool

    /// - Parameter settlements: no two of one hold.
    init(reservations: [PlannedReservation], settlements: [PlannedSettlement]) {
        self.reservations = reservations
        self.settlements = settlements
        var all: [PeriodDelta] = []
        all.reserveCapacity((reservations.count + settlements.count) * 4)
        for reservation in reservations { all.append(contentsOf: reservation.deltas) }
        for settlement in settlements { all.append(contentsOf: settlement.deltas) }
        (deltas, isOverflowing) = PeriodDelta.sums(all)
    }

    /// For `gboost_usual_batch`: all of it or an error.
    func usualStatement(_ types: BatchTypes, gateway: UUID, now: Date?) -> PostgresStatement {
        var deltas = PostgresRecordArray(type: types.delta, count: deltas.count, capacity: deltas.count * 68)
        for delta in self.deltas {
            deltas.append(fields: 5) { row in
                row.add(delta.period)
                row.add(delta.released)
                row.add(delta.spent)
                row.add(delta.wanted)
                row.add(delta.isReserved)
            }
        }
        return """
            select taken_at, ids, lims, settled, held from gboost_usual_batch(
              \(optional: now), \(gateway), \(from), \(until), \(priceVersion), \(plans(types)), \(deltas),
              \(Self.pairs(counts, types.count)), \(settlementRecords(types)), \(reservationRecords(types)))
            """
    }

    /// For `gboost_batch`: each item by itself.
    func exactStatement(_ types: BatchTypes, gateway: UUID, now: Date?) -> PostgresStatement {
        """
        select taken_at, ids, lims, settled, held, s_verdict, r_verdict, r_period, r_used from gboost_batch(
          \(optional: now), \(gateway), \(from), \(until), \(priceVersion), \(plans(types)),
          \(settlementRecords(types)), \(reservationRecords(types)))
        """
    }

    // MARK: Plans

    private var from: Date { reservations.map { max($0.plan.from, $0.window.from) }.max() ?? .beginning }
    private var until: Date { reservations.map { min($0.plan.until, $0.window.until) }.min() ?? .distantFuture }
    private var priceVersion: Int64 { reservations.map(\.window.version).min() ?? 0 }

    private func plans(_ types: BatchTypes) -> PostgresRecordArray {
        var versions: [Int64: Int64] = [:]
        for reservation in reservations {
            // Of two versions of one tenant the older one counts: then both are planned anew.
            let (tenant, version) = (reservation.reservation.caller.tenant.id, reservation.plan.version)
            versions[tenant] = min(versions[tenant] ?? .max, version)
        }
        return Self.pairs(versions, types.plan)
    }

    // MARK: Items

    /// How many settlements each tenant has.
    private var counts: [Int64: Int64] {
        var counts: [Int64: Int64] = [:]
        for settlement in settlements { counts[settlement.hold.reservation.caller.tenant.id, default: 0] += 1 }
        return counts
    }

    private static func pairs(_ pairs: [Int64: Int64], _ type: UInt32) -> PostgresRecordArray {
        var array = PostgresRecordArray(type: type, count: pairs.count, capacity: pairs.count * 36)
        for (key, value) in pairs.sorted(by: { $0.key < $1.key }) {
            array.append(numbers: key, value)
        }
        return array
    }

    private func settlementRecords(_ types: BatchTypes) -> PostgresRecordArray {
        var array = PostgresRecordArray(
            type: types.settlement, count: settlements.count, capacity: settlements.count * 700)
        // Each is told how many of its tenant's come after it, and takes its number from the end.
        var left = counts
        for settlement in settlements {
            let tenant = settlement.hold.reservation.caller.tenant.id
            left[tenant, default: 0] -= 1
            settlement.append(to: &array, back: -left[tenant, default: 0])
        }
        return array
    }

    private func reservationRecords(_ types: BatchTypes) -> PostgresRecordArray {
        var array = PostgresRecordArray(
            type: types.reservation, count: reservations.count, capacity: reservations.count * 320)
        for reservation in reservations { array.append(reservation.record) }
        return array
    }

    /// Whether one of the reservations counts on a period.
    func wants(_ period: Int64) -> Bool {
        var (low, high) = (0, deltas.count)
        while low < high {
            let middle = (low + high) / 2
            if deltas[middle].period < period { low = middle + 1 } else { high = middle }
        }
        return low < deltas.count && deltas[low].period == period
    }
}

extension PeriodDelta {
    /// One a period, ascending, and whether one of the sums does not fit.
    fileprivate static func sums(_ all: [PeriodDelta]) -> ([PeriodDelta], isOverflowing: Bool) {
        var sums: [PeriodDelta] = []
        sums.reserveCapacity(all.count)
        var isOverflowing = false
        func sum(_ a: Int64, _ b: Int64) -> Int64 {
            let (sum, overflow) = a.addingReportingOverflow(b)
            if overflow { isOverflowing = true }
            return sum
        }
        for delta in all.sorted(by: { $0.period < $1.period }) {
            guard let last = sums.last, last.period == delta.period else {
                sums.append(delta)
                continue
            }
            sums[sums.count - 1] = PeriodDelta(
                period: delta.period, released: sum(last.released, delta.released),
                spent: sum(last.spent, delta.spent), wanted: sum(last.wanted, delta.wanted),
                isReserved: last.isReserved || delta.isReserved)
        }
        return (sums, isOverflowing)
    }
}

extension HoldID {
    /// The order of the holds' primary key.
    static func precedes(_ a: HoldID, _ b: HoldID) -> Bool {
        let (x, y) = (a.request.halves, b.request.halves)
        return (x.0, x.1, a.step, a.attempt) < (y.0, y.1, b.step, b.attempt)
    }
}

extension UUID {
    fileprivate var halves: (UInt64, UInt64) {
        let u = uuid
        func half(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) -> UInt64 {
            let high = UInt64(bytes.0) << 56 | UInt64(bytes.1) << 48 | UInt64(bytes.2) << 40 | UInt64(bytes.3) << 32
            return high | UInt64(bytes.4) << 24 | UInt64(bytes.5) << 16 | UInt64(bytes.6) << 8 | UInt64(bytes.7)
        }
        return (
            half((u.0, u.1, u.2, u.3, u.4, u.5, u.6, u.7)), half((u.8, u.9, u.10, u.11, u.12, u.13, u.14, u.15))
        )
    }
}
