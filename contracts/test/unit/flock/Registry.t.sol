// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Terms} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title The list of models and who may change it.
contract RegistryTest is FlockTest {
    function test_register_keepsWhatTheHostDeclared() public view {
        IModelRegistry.Listing memory declared = listing("model", terms());
        IModelRegistry.Model memory model = models.getModel(modelId);
        assertEq(
            ModelId.unwrap(modelId), keccak256(abi.encode(host, declared.artifactId)), "id of host and artifact"
        );
        assertEq(model.host, host, "host");
        assertEq(uint256(model.status), uint256(IModelRegistry.Status.Active), "active");
        assertEq(model.containers, "flock-workflow", "containers");
        assertEq(model.containerId, keccak256(abi.encode("flock-workflow")), "container id");
        assertEq(model.metadataUri, declared.metadataUri, "metadata uri");
        assertEq(model.metadataHash, declared.metadataHash, "metadata hash");
        assertEq(keccak256(abi.encode(model.nodes)), keccak256(abi.encode(declared.nodes)), "nodes");
        assertEq(keccak256(abi.encode(model.terms)), keccak256(abi.encode(terms())), "terms");
        assertEq(models.modelCount(), 1, "count");
    }

    function test_register_revertsTheSecondTime() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelAlreadyRegistered.selector, modelId));
        vm.prank(host);
        models.register(listing("model", terms()));
    }

    function test_register_givesAnotherHostAnotherId() public {
        vm.prank(requester);
        ModelId other = models.register(listing("model", terms()));
        assertTrue(other != modelId, "ids differ");
        assertEq(ModelId.unwrap(models.listModels(0, 10)[1]), ModelId.unwrap(other), "listed in order");
        assertEq(models.listModels(1, 1).length, 1, "page");
        assertEq(models.listModels(2, 1).length, 0, "past the end");
    }

    function test_register_revertsForMissingValues() public {
        IModelRegistry.Listing memory l = listing("other", terms());
        l.artifactId = 0;
        _missing(l, "artifactId");
        l = listing("other", terms());
        l.containers = "";
        _missing(l, "containers");
        l = listing("other", terms());
        l.consumer = address(0);
        _missing(l, "consumer");
        l = listing("other", terms());
        l.receiptSigner = address(0);
        _missing(l, "receiptSigner");
        l = listing("other", terms());
        l.nodes = new address[](0);
        _missing(l, "nodes");
        l = listing("other", terms());
        l.terms.maxCompletionTokens = 0;
        _missing(l, "maxCompletionTokens");
    }

    function test_register_revertsForImpossibleSplits() public {
        Terms memory t = terms();
        (t.trainingPpm, t.validatorPpm) = (600_000, 400_001);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.SplitTooLarge.selector, 600_000, 400_001));
        vm.prank(host);
        models.register(listing("other", t));
    }

    function test_register_revertsForBadNodeLists() public {
        IModelRegistry.Listing memory l = listing("other", terms());
        l.nodes = two(node, node);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NodeInvalid.selector, node));
        vm.prank(host);
        models.register(l);
        l.nodes = two(node, address(0));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NodeInvalid.selector, address(0)));
        vm.prank(host);
        models.register(l);
        l.nodes = new address[](33);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.TooManyNodes.selector, 33));
        vm.prank(host);
        models.register(l);
    }

    function test_update_isForTheHostAlone() public {
        bytes memory refused = abi.encodeWithSelector(IModelRegistry.NotModelHost.selector, modelId, requester);
        vm.startPrank(requester);
        vm.expectRevert(refused);
        models.updateTerms(modelId, terms());
        vm.expectRevert(refused);
        models.updateMetadata(modelId, "", 0);
        vm.expectRevert(refused);
        models.updateContainers(modelId, "other");
        vm.expectRevert(refused);
        models.updateConsumer(modelId, requester);
        vm.expectRevert(refused);
        models.updateNodes(modelId, one(node));
        vm.expectRevert(refused);
        models.rotateReceiptSigner(modelId, requester, 0);
        vm.expectRevert(refused);
        models.pause(modelId);
        vm.expectRevert(refused);
        models.resume(modelId);
        vm.expectRevert(refused);
        models.retire(modelId);
    }

    function test_update_changesEachPart() public {
        Terms memory t = terms();
        t.requestPrice = 5;
        vm.startPrank(host);
        models.updateTerms(modelId, t);
        models.updateMetadata(modelId, "ipfs://x", keccak256("x"));
        models.updateContainers(modelId, "a,b");
        models.updateConsumer(modelId, requester);
        vm.stopPrank();
        IModelRegistry.Model memory model = models.getModel(modelId);
        assertEq(model.terms.requestPrice, 5, "terms");
        assertEq(model.metadataUri, "ipfs://x", "metadata");
        assertEq(models.containersOf(modelId), "a,b", "containers");
        assertEq(model.consumer, requester, "consumer");
    }

    function test_updateNodes_keepsThePlaceOfNodesThatStay() public {
        address third = actor("third node");
        vm.startPrank(host);
        models.updateNodes(modelId, two(third, secondNode));
        (, uint256 gone) = models.receiptFacts(modelId, node);
        (, uint256 stayed) = models.receiptFacts(modelId, secondNode);
        (address signerOfAdded, uint256 added) = models.receiptFacts(modelId, third);
        (address signerOfGone,) = models.receiptFacts(modelId, node);
        assertEq(gone, 0, "off the list");
        assertEq(signerOfGone, address(0), "and signs for nobody");
        assertEq(signerOfAdded, signer, "signs as all others");
        assertEq(stayed, 2, "same place");
        assertEq(added, 3, "a place nobody had");
        assertEq(models.getModel(modelId).nodes.length, 2, "listed");
    }

    function test_updateNodes_takesFreedPlacesWhenTheListIsFull() public {
        address[] memory many = new address[](32);
        for (uint256 i; i < 32; ++i) {
            many[i] = address(uint160(1_000 + i));
        }
        vm.startPrank(host);
        models.updateNodes(modelId, many);
        many[5] = node;
        models.updateNodes(modelId, many);
        assertEq(models.getModel(modelId).nodes.length, 32, "full");
        for (uint256 i; i < 32; ++i) {
            (, uint256 place) = models.receiptFacts(modelId, many[i]);
            assertTrue(place >= 1 && place <= 32, "each has a place");
        }
    }

    function test_updateNodes_keepsTheFreedPlacesOfAListThatIsNotFull() public {
        address[] memory many = new address[](31);
        for (uint256 i; i < 31; ++i) {
            many[i] = address(uint160(1_000 + i));
        }
        vm.startPrank(host);
        // Two places are free, those of the nodes that left, and 29 are taken: one more is at the end.
        models.updateNodes(modelId, many);
        (, uint256 place) = models.receiptFacts(modelId, many[29]);
        assertEq(place, 32, "the last place");
        (, place) = models.receiptFacts(modelId, many[30]);
        assertEq(place, 1, "the first that was freed");
        many[0] = node;

        models.updateNodes(modelId, many);

        (, place) = models.receiptFacts(modelId, node);
        assertEq(place, 2, "the next that was freed");
    }

    function test_rotateReceiptSigner_reachesEveryListedNode() public {
        address third = actor("third node");
        vm.startPrank(host);
        models.updateNodes(modelId, two(third, secondNode));

        vm.expectEmit(address(models));
        emit IModelRegistry.ReceiptSignerRotated(modelId, requester, signer, uint40(block.timestamp + 7 days));
        models.rotateReceiptSigner(modelId, requester, 7 days);

        (address signerOfThird,) = models.receiptFacts(modelId, third);
        (address signerOfSecond,) = models.receiptFacts(modelId, secondNode);
        (address signerOfGone,) = models.receiptFacts(modelId, node);
        assertEq(signerOfThird, requester, "new node");
        assertEq(signerOfSecond, requester, "old node");
        assertEq(signerOfGone, address(0), "a node that left");
        IModelRegistry.Model memory model = models.getModel(modelId);
        assertEq(model.receiptSigner, requester, "model");
        assertEq(model.previousSigner, signer, "previous");
        assertEq(model.previousSignerUntil, block.timestamp + 7 days, "grace");
    }

    function test_rotateReceiptSigner_boundsTheGrace() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.GraceTooLong.selector, 7 days + 1));
        vm.prank(host);
        models.rotateReceiptSigner(modelId, requester, 7 days + 1);
    }

    function test_retire_isForEver() public {
        vm.startPrank(host);
        models.retire(modelId);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelIsRetired.selector, modelId));
        models.resume(modelId);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelIsRetired.selector, modelId));
        models.updateTerms(modelId, terms());
    }

    function test_pause_revertsWhenPausedAlready() public {
        vm.startPrank(host);
        models.pause(modelId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IModelRegistry.ModelStatusMismatch.selector, modelId, IModelRegistry.Status.Paused
            )
        );
        models.pause(modelId);
    }

    function test_getModel_isEmptyForUnknownIds() public view {
        IModelRegistry.Model memory model = models.getModel(ModelId.wrap(bytes32(uint256(1))));
        assertEq(model.host, address(0), "nobody");
        assertEq(model.containerId, 0, "nothing");
        assertEq(uint256(model.status), 0, "none");
    }

    function _missing(IModelRegistry.Listing memory l, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ValueMissing.selector, field));
        vm.prank(host);
        models.register(l);
    }
}
