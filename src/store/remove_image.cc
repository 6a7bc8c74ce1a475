#include <algorithm>

#include "base/id.h"
#include "base/text.h"
#include "store/image_store.h"

// Which references and images one `docker rmi` takes away is decided first (Plan), then recorded in one transaction.
namespace proa::store {

namespace {
std::string_view short_digest(const Digest& digest) { return digest.hex().substr(0, 12); }

bool is_id_prefix(const Digest& id, std::string_view text) {
    return id.text().starts_with(text) || id.hex().starts_with(text);
}

/// At most one tag, and digests of its repository only.
bool is_single_reference(const std::vector<oci::Reference>& references) {
    if (references.size() <= 1) return true;
    std::string tagged, digest_name;
    for (auto& reference : references) {
        std::string& name = reference.digest.empty() ? tagged : digest_name;
        if (reference.digest.empty() ? !name.empty() : (!name.empty() && name != reference.name())) return false;
        name = reference.name();
    }
    return tagged.empty() || digest_name == tagged;
}

struct Conflict {
    bool hard, used;
    std::string reason;
};

Error conflict_error(const Digest& id, const Conflict& conflict) {
    return Error(ErrorKind::Conflict, concat("conflict: unable to delete ", short_digest(id), conflict.hard ? " (cannot be forced) - " : " (must be forced) - ", conflict.reason));
}

struct Plan {
    std::vector<oci::Reference> untagged;
    std::vector<Digest> untagged_of;  // the image of each
    std::vector<Digest> deleted;
    std::vector<RemovedItem> items;

    void untag(const oci::Reference& reference, const Digest& image) {
        untagged.push_back(reference);
        untagged_of.push_back(image);
        items.push_back({false, reference.familiar()});
    }
};

/// The rules of Docker's image deletion over a view of the store.
class Planner {
public:
    Planner(const std::map<Digest, ImagePointer>& images, const ImageUsers& users, std::function<std::vector<oci::Reference>(const Digest&)> references)
        : images_(images), users_(users), references_(std::move(references)) {}
    Plan plan;

    Result<void> remove(const Digest& id, std::string_view text, bool force, bool prune) {
        auto references = references_(id);
        if (is_id_prefix(id, text)) {
            if (is_single_reference(references)) {
                if (auto conflict = find_conflict(id, !force, 0)) return fail(conflict_error(id, *conflict));
                for (auto& reference : references) plan.untag(reference, id);
                references.clear();
            }
            return remove_image(id, force, prune, false, references);
        }
        oci::Reference named = TRY(oci::Reference::parse(text)).with_default_tag();
        if (!named.digest.empty()) named.tag.clear();
        if (!force && is_single_reference(references))
            for (auto& user : users_(id))
                return fail(ErrorKind::Conflict, concat("conflict: unable to remove repository reference ", quote(text), " (must force) - container ",
                                                        short_id(user.container_id), " is using its referenced image ", short_digest(id)));
        bool other_tag = false;
        std::erase_if(references, [&](auto& reference) {
            if (reference == named || (!named.digest.empty() && reference.name() == named.name() && !reference.digest.empty())) {
                plan.untag(reference, id);
                return true;
            }
            other_tag = other_tag || (reference.digest.empty() && reference.name() == named.name());
            return false;
        });
        // With the last tag of a repository its digests go too.
        if (named.digest.empty() && !other_tag)
            std::erase_if(references, [&](auto& reference) {
                if (reference.digest.empty() || reference.name() != named.name()) return false;
                plan.untag(reference, id);
                return true;
            });
        if (!references.empty()) return {};
        return remove_image(id, force, prune, true, references);
    }

private:
    std::optional<Conflict> find_conflict(const Digest& id, bool soft, size_t references) const {
        if (has_children(id)) return Conflict{true, false, "image has dependent child images"};
        auto users = users_(id);
        for (auto& user : users)
            if (user.running) return Conflict{true, true, concat("image is being used by running container ", short_id(user.container_id))};
        if (!soft) return std::nullopt;
        if (references > 0) return Conflict{false, false, "image is referenced in multiple repositories"};
        if (!users.empty()) return Conflict{false, true, concat("image is being used by stopped container ", short_id(users.front().container_id))};
        return std::nullopt;
    }

    bool has_children(const Digest& id) const {
        return std::any_of(images_.begin(), images_.end(), [&](auto& item) {
            return item.second->parent == id && std::find(plan.deleted.begin(), plan.deleted.end(), item.first) == plan.deleted.end();
        });
    }

    Result<void> remove_image(const Digest& id, bool force, bool prune, bool quiet, const std::vector<oci::Reference>& references) {
        if (auto conflict = find_conflict(id, !force, references.size())) {
            bool dangling = references.empty() && !has_children(id);
            if (quiet && (!dangling || conflict->used)) return {};
            return fail(conflict_error(id, *conflict));
        }
        for (auto& reference : references) plan.untag(reference, id);
        plan.deleted.push_back(id);
        plan.items.push_back({true, id.text()});
        auto parent = images_.find(images_.at(id)->parent);
        if (!prune || parent == images_.end()) return {};
        return remove_image(parent->first, false, true, true, references_(parent->first));
    }

    const std::map<Digest, ImagePointer>& images_;
    const ImageUsers& users_;
    std::function<std::vector<oci::Reference>(const Digest&)> references_;
};
}  // namespace

Result<std::vector<RemovedItem>> ImageStore::remove(std::string_view text, bool force, bool prune_parents, const ImageUsers& users) {
    std::vector<Digest> blobs, layers;
    std::vector<RemovedItem> items;
    {
        std::lock_guard lock(mutex_);
        std::string not_found;
        Result<void> problem;
        ImagePointer image = lookup_locked(text, &not_found, &problem);
        if (!problem) return fail(std::move(problem).error());
        if (!image) return fail(ErrorKind::NotFound, concat("No such image: ", not_found));
        Planner planner(images_, users, [this](const Digest& id) { return references_locked(id); });
        bool by_config = Digest::parse(text) && !is_id_prefix(image->id, text);
        TRY(planner.remove(image->id, by_config ? std::string_view(image->id.text()) : text, force, prune_parents));
        Plan& plan = planner.plan;
        {
            std::lock_guard records_lock(records_mutex_);
            TRY(records_.transaction([&]() -> Result<void> {
                for (size_t i = 0; i < plan.untagged.size(); i++) {
                    auto& reference = plan.untagged[i];
                    if (reference.digest.empty()) TRY(records_.run("DELETE FROM tags WHERE name = ?", {reference.text()}));
                    else TRY(records_.run("DELETE FROM repository_digests WHERE name = ? AND image = ?", {reference.name(), plan.untagged_of[i].text()}));
                }
                for (auto& id : plan.deleted) TRY(records_.run("DELETE FROM images WHERE id = ?", {id.text()}));
                return {};
            }));
        }
        for (size_t i = 0; i < plan.untagged.size(); i++) {
            auto& reference = plan.untagged[i];
            if (reference.digest.empty()) tags_.erase(reference.text());
            else repository_digests_.erase({reference.name(), plan.untagged_of[i]});
        }
        for (auto& id : plan.deleted) {
            ImagePointer gone = images_.at(id);
            refer_locked(*gone, -1);
            images_.erase(id);
            blobs.insert(blobs.end(), gone->blobs.begin(), gone->blobs.end());
            for (auto& manifest : gone->manifests) layers.insert(layers.end(), manifest.diff_ids.begin(), manifest.diff_ids.end());
        }
        for (auto& id : plan.untagged_of) refresh_locked(id);
        items = std::move(plan.items);
    }
    release(std::move(blobs), std::move(layers));
    return items;
}

}  // namespace proa::store
