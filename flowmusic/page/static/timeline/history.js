// What a person edits, with undo: every state is whole and none is ever changed.

const MOST = 300;

export function makeHistory(first) {
  let past = [];
  let future = [];
  let present = first;
  return {
    get present() { return present; },
    get canUndo() { return past.length > 0; },
    get canRedo() { return future.length > 0; },
    commit(next) {
      past = [...past, present].slice(-MOST);
      future = [];
      present = next;
    },
    undo() {
      if (past.length === 0) return false;
      future = [present, ...future];
      present = past[past.length - 1];
      past = past.slice(0, -1);
      return true;
    },
    redo() {
      if (future.length === 0) return false;
      past = [...past, present];
      [present, ...future] = future;
      return true;
    },
  };
}
