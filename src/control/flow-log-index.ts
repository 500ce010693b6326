import type { FlowLog } from '../mirror/resources.js'
import { LayeredMap } from './layered-map.js'

type FlowLogs = ReadonlyMap<string, FlowLog>
type Index = LayeredMap<string, readonly FlowLog[]>

const indexes = new WeakMap<FlowLogs, Index>()

/** The flow logs of one resource. */
export function flowLogsOf(flowLogs: FlowLogs, resourceId: string): readonly FlowLog[] {
  return indexOf(flowLogs).get(resourceId) ?? []
}

/** Says what `after` holds, which is `before` with one flow log made, changed or deleted. */
export function noteFlowLog(before: FlowLogs, after: FlowLogs, id: string): void {
  const [old, next] = [before.get(id), after.get(id)]
  let index = indexOf(before)
  if (old !== undefined) {
    const rest = (index.get(old.resourceId) ?? []).filter((one) => one.id !== id)
    index = rest.length === 0 ? index.without(old.resourceId) : index.with(old.resourceId, rest)
  }
  if (next !== undefined) {
    index = index.with(next.resourceId, [...(index.get(next.resourceId) ?? []), next])
  }
  indexes.set(after, index)
}

function indexOf(flowLogs: FlowLogs): Index {
  let index = indexes.get(flowLogs)
  if (index === undefined) {
    const lists = new Map<string, FlowLog[]>()
    for (const flowLog of flowLogs.values()) {
      const list = lists.get(flowLog.resourceId)
      if (list === undefined) lists.set(flowLog.resourceId, [flowLog])
      else list.push(flowLog)
    }
    index = LayeredMap.of<string, readonly FlowLog[]>(lists)
    indexes.set(flowLogs, index)
  }
  return index
}
