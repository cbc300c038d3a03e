// The part of the address behind `#`: which view, and how it is set.
import {changed, state} from './store.js'

/** Whatever somebody has typed there. @param {string} part */
const decoded = part => new URLSearchParams('part=' + part.replace(/[+&]/g, encodeURIComponent)).get('part') ?? ''

/** @returns {Route} */
function read() {
	const [path, rest] = location.hash.replace(/^#\/?/, '').split('?'), [view, id = '', tab = 'held'] = path.split('/').map(decoded), query = new URLSearchParams(rest)
	if (view === 'flow' && id) return {view, id, tab, query}
	if (view === 'audit' || view === 'letters') return {view, id: '', tab: id || 'dead', query}
	return {view: 'flows', id: '', tab: '', query}
}

/** @param {string} id @param {string} [tab] */
export const flowLink = (id, tab) => `#/flow/${encodeURIComponent(id)}${tab ? '/' + tab : ''}`

/** Sets a part of how the view is set. @param {Record<string, string>} parts */
export function set(parts) {
	const {query} = state.route
	for (const [name, value] of Object.entries(parts)) value ? query.set(name, value) : query.delete(name)
	history.replaceState(null, '', (location.hash.split('?')[0] || '#/') + (query.size ? `?${query}` : ''))
	changed({route: read()})
}

const take = () => changed({route: read(), ticked: new Set(), open: new Set()})

/** @param {string} hash */
export function go(hash) {
	history.pushState(null, '', hash)
	take()
}

export function start() {
	window.addEventListener('popstate', take)
	take()
}
