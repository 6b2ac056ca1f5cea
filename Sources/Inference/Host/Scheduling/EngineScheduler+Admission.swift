extension EngineScheduler {
    /// What the driver does next with a job, in this order.
    enum Admission: Hashable, Sendable {
        case start(JobID)
        /// Takes the job's lanes away; it will be started again.
        case pause(JobID)
    }

    /// Starts waiting jobs while lanes and cells suffice: the least served tenant first.
    ///
    /// Where they do not suffice, jobs of tenants that hold more than their share are paused, youngest first. Where
    /// even that does not help, nobody else may overtake: what is freed next is for the one whose turn it is, or a
    /// large job would wait for ever.
    mutating func admit() -> [Admission] {
        var admissions: [Admission] = []
        while let name = nextTenant, let id = tenants[name]?.waiting.first, let job = entry(id)?.job {
            guard let victims = victims(for: job) else { break }
            for victim in victims {
                pause(victim)
                admissions.append(.pause(victim))
            }
            start(id)
            admissions.append(.start(id))
        }
        return admissions
    }

    private var nextTenant: Int64? {
        tenants.filter { !$0.value.waiting.isEmpty }.min {
            ($0.value.served, $0.value.lastStart, $0.key) < ($1.value.served, $1.value.lastStart, $1.key)
        }?.key
    }

    /// What a tenant holds, in the scarcer of lanes and cells, as a part of all.
    private struct Holding {
        var lanes = 0
        var cells = 0

        mutating func add(_ job: Job, times factor: Int = 1) {
            lanes += factor * job.lanes
            cells += factor * job.cells
        }

        func use(_ limits: SchedulerLimits) -> Double {
            max(Double(lanes) / Double(limits.lanes), Double(cells) / Double(limits.cells))
        }
    }

    /// Jobs to pause so that `job` fits: none where it does; nil where it cannot fit now.
    private func victims(for job: Job) -> [JobID]? {
        var free = Holding(lanes: limits.lanes - lanesInUse, cells: limits.cells - cellsInUse)
        func fits() -> Bool { free.lanes >= job.lanes && free.cells >= job.cells }
        if fits() { return [] }
        let total = Double(max(1, activeWeight))
        var holdings = tenants.mapValues { tenant in
            tenant.running.reduce(into: Holding()) { sum, id in
                if let other = entry(id)?.job { sum.add(other) }
            }
        }
        func excess(_ name: Int64) -> Double {
            (holdings[name]?.use(limits) ?? 0) - Double(tenants[name]?.weight ?? 0) / total
        }
        var own = holdings[job.tenant] ?? Holding()
        let isWithoutLane = own.lanes == 0
        own.add(job)
        guard isWithoutLane || own.use(limits) <= Double(job.weight) / total else { return nil }
        var victims: [JobID] = []
        var chosen: Set<JobID> = []
        while !fits() {
            let over = tenants.filter { $0.key != job.tenant && excess($0.key) > 0 }
                .sorted { (excess($0.key), $1.key) > (excess($1.key), $0.key) }
            let victim = over.lazy.compactMap { _, tenant in
                tenant.running.last { isPausable($0) && !chosen.contains($0) }
            }.first
            guard let victim, let other = entry(victim)?.job else { return nil }
            victims.append(victim)
            chosen.insert(victim)
            free.add(other)
            holdings[other.tenant]?.add(other, times: -1)
        }
        return victims
    }

    /// A job that has just been started, or was paused often enough, is left alone.
    private func isPausable(_ id: JobID) -> Bool {
        entry(id).map { $0.decodes > 0 && $0.pauses < limits.pauses } ?? false
    }
}
