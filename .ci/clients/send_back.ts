// What was read can be sent back: these functions compile.
import type { components } from "./schema.js";

type Schemas = components["schemas"];

export const event = (read: Schemas["Event"]): Schemas["EventReplace"] => read;
export const editedEvent = (read: Schemas["Event"]): Schemas["EventEdit"] => read;
export const series = (read: Schemas["Series"]): Schemas["SeriesEdit"] => read;
export const profile = (read: Schemas["Profile"]): Schemas["ProfileReplace"] => read;
export const editedProfile = (read: Schemas["Profile"]): Schemas["ProfileEdit"] => read;
export const registration = (read: Schemas["Registration"]): Schemas["RegistrationEdit"] => read;
export const feedback = (read: Schemas["Feedback"]): Schemas["FeedbackEdit"] => read;
export const category = (read: Schemas["Category"]): Schemas["CategoryInput"] => read;
