// Package brief formats durations for people, in the same way in the reasons of Health and on the debug page.
package brief
